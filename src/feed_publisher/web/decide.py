"""/decide/T: an operator decides about an issue before it leaves. GET changes nothing: mail scanners open links."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from feed_publisher.compose.message import readable
from feed_publisher.domain.editing import Change
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.issue import IssueEdits, IssueState
from feed_publisher.ports.deciding import Choosable, Decided, Open, Question, What
from feed_publisher.web.forms import Fields, read_fields
from feed_publisher.web.pages import MAIL_POLICY, PRIVATE, Pages

_OPEN = (IssueState.DRAFT, IssueState.READY, IssueState.PAUSED)


class DecidePages:
    """The link is the key: each operator has one of their own, for one issue."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._app = pages.app

    def routes(self) -> list[Route]:
        return [
            Route("/decide/{token}", self.decide, methods=["GET", "POST"]),
            Route("/decide/{token}/mail", self.mail),
        ]

    async def decide(self, request: Request) -> Response:
        question = await run_in_threadpool(self._question, request)
        if question is None:
            return self._unknown(request)
        if request.method != "POST":
            return await run_in_threadpool(self._page, request, question)
        fields = await read_fields(request)
        return await run_in_threadpool(self._act, request, question, fields)

    def _question(self, request: Request) -> Question | None:
        return self._app.questions().asked(request.path_params["token"])

    def _unknown(self, request: Request) -> Response:
        message = "It is incomplete, or not a link of this site. The newest mail about the issue has the right one."
        return self._pages.error(request, 404, "This link does not work", message)

    def _act(self, request: Request, question: Question, fields: Fields) -> Response:
        """What the form says counts first, then the button."""
        before = self._app.decisions.look(question.issue)
        action, who, now = fields.get("action"), f"link to {question.address}", self._app.clock()
        deciding = self._app.deciding()
        try:
            if not _can_change(before):
                raise InputError("it has been decided already; see below")
            if fields.get("revision") != str(before.issue.revision):
                raise InputError("somebody else has changed it in the meantime; this is how it stands now")
            wanted = _wanted(fields)
            if (action == "approve" and not _can_approve(before)) or (action == "hold" and not _can_hold(before)):
                raise InputError("somebody else has decided it in the meantime; see below")
            change = _change(before.issue.edits, wanted)
            if change is not None:
                deciding.edit(question.issue, change, who, now, before.issue.revision)
            if action == "approve":
                deciding.approve(question.issue, who, now)
            elif action == "hold":
                deciding.hold(question.issue, who, now)
        except InputError as error:
            changed = fields.get("revision") != str(self._app.decisions.look(question.issue).issue.revision)
            return self._page(request, question, error.reason, None if changed else _wanted(fields))
        return RedirectResponse(f"{self._pages.base}/decide/{request.path_params['token']}", 303, headers=PRIVATE)

    def _page(self, request: Request, question: Question, error: str = "", form: IssueEdits | None = None) -> Response:
        app = self._app
        about = app.decisions.look(question.issue)
        main = app.decisions.main_edition(question.issue)
        rules = app.all_rules().get(about.issue.digest)
        title = rules.name if rules else about.issue.digest
        address = f"{self._pages.base}/decide/{request.path_params['token']}"
        return self._pages.page(
            request,
            "decide",
            409 if error else 200,
            PRIVATE,
            issue=about.issue,
            digest=title,
            error=error,
            state=self._state(about),
            readers=main.all_readers if main else 0,
            versions=main.editions if main else 0,
            leaves_at=about.first_at,
            sponsors=app.decisions.sponsors(question.issue),
            entries=app.decisions.entries(question.issue) if _can_change(about) else self._remaining(question.issue),
            form=form or about.issue.edits,
            usual_subject="" if about.issue.edits.subject else about.issue.subject,
            can_change=_can_change(about),
            can_approve=_can_approve(about),
            can_hold=_can_hold(about),
            hold_label="Hold" if about.issue.state is IssueState.DRAFT else "Stop",
            history=about.history,
            mail_url=f"{address}/mail" if main else "",
        )

    def _remaining(self, number: int) -> list[Choosable]:
        return [each for each in self._app.decisions.entries(number) if not each.left_out]

    def _state(self, about: Open) -> dict[str, str]:
        """What it is now, and what comes of it."""
        issue = about.issue
        why = f" It was stopped because {issue.reason}." if issue.reason and issue.state is IssueState.DRAFT else ""
        if issue.state in (IssueState.DRAFT, IssueState.PAUSED):
            title = "Held." if issue.held or issue.state is IssueState.PAUSED else "Waits for a decision."
            return {"title": title, "text": f"{self._app.deciding().becomes(about)}.{why}"}
        if issue.state is IssueState.READY:
            decided = _decision(about)
            who = f" {decided.what.capitalize()} by {decided.who}." if decided else ""
            when = "It leaves at its hour." if about.waiting else "All of it is being handed over."
            return {"title": "It goes.", "text": when + who}
        done = {
            IssueState.FINISHED: ("It has left.", ""),
            IssueState.CANCELLED: ("It has ended without leaving.", "Its articles come in the next issue."),
        }
        title, text = done.get(issue.state, ("It is not ready.", ""))
        return {"title": title, "text": text or issue.reason}

    async def mail(self, request: Request) -> Response:
        return await run_in_threadpool(self._mail, request)

    def _mail(self, request: Request) -> Response:
        question = self._question(request)
        main = self._app.decisions.main_edition(question.issue) if question else None
        if main is None:
            return self._unknown(request)
        html = readable(main.html, main.nonce, self._app.letterhead.links(0))
        return HTMLResponse(html, headers=MAIL_POLICY)


def _can_change(about: Open) -> bool:
    return about.issue.state in _OPEN and bool(about.waiting)


def _can_approve(about: Open) -> bool:
    return _can_change(about) and about.issue.state in (IssueState.DRAFT, IssueState.PAUSED)


def _can_hold(about: Open) -> bool:
    return _can_change(about) and about.issue.state in (IssueState.DRAFT, IssueState.READY) and not about.issue.held


def _decision(about: Open) -> Decided | None:
    return next((each for each in reversed(about.history) if each.what is not What.EDITED), None)


def _wanted(fields: Fields) -> IssueEdits:
    """What the form says, as it was typed."""
    return IssueEdits(
        lead=fields.get("lead"),
        note=fields.get("note").replace("\r\n", "\n").strip(),
        subject=fields.get("subject").strip(),
        left_out=fields.all("leave_out"),
        sponsors_out=fields.all("sponsor_out"),
    )


def _change(before: IssueEdits, wanted: IssueEdits) -> Change | None:
    """What differs; None when nothing does."""
    if _in_any_order(wanted) == _in_any_order(before):
        return None
    return Change(
        lead=wanted.lead,
        note=wanted.note,
        subject=wanted.subject,
        leave_out=tuple(key for key in wanted.left_out if key not in before.left_out),
        put_back=tuple(key for key in before.left_out if key not in wanted.left_out),
        sponsors_out=wanted.sponsors_out,
    )


def _in_any_order(edits: IssueEdits) -> tuple[object, ...]:
    return edits.lead, edits.note, edits.subject, set(edits.left_out), set(edits.sponsors_out)
