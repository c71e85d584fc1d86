"""/issues/…: what digests have mailed, for everybody to read; nothing in it is personal."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from feed_publisher import wiring
from feed_publisher.compose.digest import authors_text
from feed_publisher.compose.issue import issue_text
from feed_publisher.compose.message import Links, readable
from feed_publisher.compose.sponsor import sponsor_views
from feed_publisher.domain.issue import SentEntry, SentIssue
from feed_publisher.domain.language import Say, direction_of
from feed_publisher.web.follow import follow_view
from feed_publisher.web.pages import MAIL_POLICY, Pages

PER_PAGE = 30
NO_ISSUE = Say("No such issue"), Say("Check the address, or look at the list of all issues.")
_PUBLIC_MAIL = {
    **MAIL_POLICY,
    # Unlike in the mailbox, nobody's privacy is at stake: its pictures may be fetched.
    "Content-Security-Policy": MAIL_POLICY["Content-Security-Policy"].replace("img-src", "img-src http: https:"),
    "Cache-Control": "public, max-age=300",
    "X-Robots-Tag": "noindex",
}


class ArchivePages:
    """Handlers; each reads its input, asks the archive and shows the result."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._archive = pages.app.archive

    def routes(self) -> list[Route]:
        return [
            Route("/issues/{slug}", self.issues),
            Route("/issues/{slug}/{name}", self.issue),
            Route("/issues/{slug}/{name}/mail", self.mail),
        ]

    async def issues(self, request: Request) -> Response:
        return await run_in_threadpool(self._issues, request)

    def _issues(self, request: Request) -> Response:
        slug, before = request.path_params["slug"], request.query_params.get("before", "")
        title = self._archive.title(slug)
        if title is None:
            return self._no_archive(request)
        if before and self._archive.find(slug, before) is None:
            return self._no_issue(request)
        found = self._archive.page(slug, before, PER_PAGE + 1)
        path = f"/issues/{slug}"
        older = f"{self._pages.base}{path}?before={found[PER_PAGE - 1].name}" if len(found) > PER_PAGE else ""
        return self._pages.page(
            request,
            "issues",
            digest={"title": title, "url": self._subscribe_path(slug)},
            canonical_url=f"{self._pages.absolute}{path}",
            follow=self._follow(request, slug, title),
            issues=[self._line(issue) for issue in found[:PER_PAGE]],
            older_url=older,
            newest_url=f"{self._pages.base}{path}",
            first=not before,
        )

    async def issue(self, request: Request) -> Response:
        return await run_in_threadpool(self._issue, request)

    def _issue(self, request: Request) -> Response:
        found = self._find(request)
        if found is None:
            return self._no_issue(request)
        archive = f"{self._pages.base}/issues/{found.digest}"
        digest = {
            "title": found.digest_title,
            "archive_url": archive,
            "url": self._subscribe_path(found.digest),
        }
        return self._pages.page(
            request,
            "issue",
            canonical_url=f"{self._pages.absolute}/issues/{found.digest}/{found.name}",
            issue={**self._line(found), "sections": self._sections(found), "sponsors": self._sponsors(found)},
            more=found.more,
            digest=digest,
            follow=self._follow(request, found.digest, found.digest_title),
            mail_url="" if found.withdrawn else f"{archive}/{found.name}/mail",
        )

    async def mail(self, request: Request) -> Response:
        return await run_in_threadpool(self._mail, request)

    def _mail(self, request: Request) -> Response:
        found = self._find(request)
        if found is None:
            return self._no_issue(request)
        if found.withdrawn:
            message = Say("An article in it was withdrawn. The issue’s own page shows the others.")
            return self._pages.error(request, 410, Say("This mail is no longer shown"), message)
        mail = self._archive.mail(found.digest, found.name)
        if mail is None:
            return self._no_issue(request)
        everybody = self._subscribe_path(found.digest) or f"{self._pages.base}/"
        html = readable(mail.html, mail.nonce, Links(unsubscribe=everybody, preferences=everybody))
        return HTMLResponse(html.replace("<head>", '<head><base target="_blank">', 1), headers=_PUBLIC_MAIL)

    # --- what templates are shown

    def _find(self, request: Request) -> SentIssue | None:
        return self._archive.find(request.path_params["slug"], request.path_params["name"])

    def _line(self, issue: SentIssue) -> dict[str, Any]:
        shown = [sent for sent in issue.entries if not sent.withdrawn]
        left_out = len(issue.entries) - len(shown)
        return {
            **self._spoken(issue.language),
            "title": issue.title,
            "number": issue.number,
            "sent_at": issue.sent_at,
            "url": f"{self._pages.base}/issues/{issue.digest}/{issue.name}",
            "description": issue_text(issue),
            "count": issue.count - left_out,
        }

    def _sponsors(self, issue: SentIssue) -> list[dict[str, object]]:
        """Without pictures: the page of an issue has none. In the page's language, not in that of the mail."""
        usual = self._pages.app.settings.site.language
        views = sponsor_views(issue.sponsors, usual, usual, with_images=False)
        spoken = [self._spoken(block.language or None, f"{block.title} {block.text}") for block in issue.sponsors]
        return [view | words for view, words in zip(views, spoken, strict=True)]

    def _sections(self, issue: SentIssue) -> list[dict[str, object]]:
        base = self._pages.base
        return [
            {
                "title": topic.title,
                "url": f"{base}/topics/{topic.slug}",
                "entries": [self._entry(sent, issue.language) for sent in entries],
            }
            for topic, entries in issue.sections
        ]

    def _entry(self, sent: SentEntry, language: str) -> dict[str, object]:
        """``now`` holds what has been corrected since, None elsewhere. Nothing is told of a withdrawn one."""
        if sent.withdrawn:
            return {"withdrawn": True}
        entry = sent.entry
        was = {
            "title": sent.title,
            "summary": sent.summary,
            "authors_text": authors_text(sent.authors, language),
        }
        now = {
            "title": entry.title,
            "summary": entry.summary,
            "authors_text": authors_text(entry.authors, language),
        }
        return {
            **was,
            "withdrawn": False,
            **self._spoken(entry.language, entry.title),
            "url": entry.link or f"{self._pages.base}/entries/{entry.key}",
            "corrected": sent.corrected,
            "now": {name: text if text != was[name] else None for name, text in now.items()},
        }

    def _spoken(self, language: str | None, text: str = "") -> dict[str, str]:
        """For ``parts.spoken``: the language, where it is not that of the page."""
        usual = self._pages.app.settings.site.language
        other = language if language and language != usual else ""
        return {"lang": other, "dir": direction_of(text, language, usual)}

    def _subscribe_path(self, slug: str) -> str:
        """ "" for a digest that is no longer in the configuration."""
        known = any(digest.slug == slug for digest in self._pages.app.settings.digests)
        return f"{self._pages.base}/digests/{slug}" if known else ""

    def _follow(self, request: Request, slug: str, title: str) -> dict[str, object]:
        site = wiring.feed_site(self._pages.app.settings)
        return follow_view(self._pages, request, f"digests/{slug}", f"{title} – {site.title}")

    def _no_archive(self, request: Request) -> Response:
        message = Say("There is no newsletter of this name, or its issues are for its readers alone.")
        return self._pages.error(request, 404, Say("No such newsletter"), message)

    def _no_issue(self, request: Request) -> Response:
        return self._pages.error(request, 404, *NO_ISSUE)
