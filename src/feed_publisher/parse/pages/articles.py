"""Entries that are ``article`` elements."""

from __future__ import annotations

from feed_publisher.parse.pages.tree import Element, Page


def article_entries(page: Page) -> list[Element]:
    """An article around several others is the listing, one inside of another a comment or a quotation; one alone is
    the page's own text and no listing.
    """
    articles = [element for element in page.body.iter("article") if element not in page.outside]
    around = _holding_several(articles)
    found = [element for element in articles if element not in around and _outer(element) in (None, *around)]
    return found if len(found) > 1 else []


def _holding_several(articles: list[Element]) -> set[Element]:
    inner: dict[Element, int] = {}
    for element in articles:
        outer = _outer(element)
        if outer is not None:
            inner[outer] = inner.get(outer, 0) + 1
    return {element for element, count in inner.items() if count > 1}


def _outer(element: Element) -> Element | None:
    return next(element.iterancestors("article"), None)
