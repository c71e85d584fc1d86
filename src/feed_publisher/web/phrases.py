"""How often a digest comes, in words that can be said in every language."""

from __future__ import annotations

from feed_publisher.app import App
from feed_publisher.config.models import Digest
from feed_publisher.domain.cadence import WEEKDAYS, Cadence
from feed_publisher.domain.language import Say
from feed_publisher.domain.rhythm import weekly_dates

AS_IT_HAPPENS = Say("as soon as there is a new article")
NO_DATE_YET = Say("the date is not set yet")
"""While a digest goes to the operators only."""

OWN_DATES = Say("on set dates")

DAYS = (
    Say("Monday"),
    Say("Tuesday"),
    Say("Wednesday"),
    Say("Thursday"),
    Say("Friday"),
    Say("Saturday"),
    Say("Sunday"),
)
LABELS = {
    Cadence.INSTANT: Say("As it happens"),
    Cadence.DAILY: Say("Every day"),
    Cadence.WEEKDAYS: Say("From Monday to Friday"),
    Cadence.WEEKLY: Say("Every week, on %(day)s"),
    Cadence.MONTHLY: Say("Every month, on the first %(day)s"),
}
WITHIN = {
    Cadence.INSTANT: AS_IT_HAPPENS,
    Cadence.DAILY: Say("every day"),
    Cadence.WEEKDAYS: Say("from Monday to Friday"),
    Cadence.WEEKLY: Say("every week, on %(day)s"),
    Cadence.MONTHLY: Say("every month, on the first %(day)s"),
}
"""As part of a sentence."""

SCHEDULES = {
    Cadence.INSTANT: AS_IT_HAPPENS,
    Cadence.DAILY: Say("every day at %(hour)s"),
    Cadence.WEEKDAYS: Say("from Monday to Friday at %(hour)s"),
    Cadence.WEEKLY: Say("every %(day)s at %(hour)s"),
    Cadence.MONTHLY: Say("on the first %(day)s of the month at %(hour)s"),
}
RHYTHMS = {
    Cadence.INSTANT: AS_IT_HAPPENS,
    Cadence.DAILY: Say("daily"),
    Cadence.WEEKDAYS: Say("from Monday to Friday"),
    Cadence.WEEKLY: Say("weekly"),
    Cadence.MONTHLY: Say("monthly"),
    Cadence.CRON: OWN_DATES,
}
"""In a word or two, for a cadence that is not the first."""


def next_issue(app: App, digest: str, cadence: Cadence) -> object:
    """When it comes, as a time or in words; None for a digest that there is no more."""
    rules = app.all_rules().get(digest)
    if rules is None:
        return None
    if rules.rests:
        return NO_DATE_YET
    return AS_IT_HAPPENS if cadence is Cadence.INSTANT else app.next_issue(digest, cadence)


def schedule(digest: Digest) -> Say:
    """When a digest comes, as part of a sentence: "every Monday at 07:00, or daily"."""
    first, *others = digest.cadences
    if first is Cadence.CRON:
        said = _own_dates(digest)
    else:
        said = SCHEDULES[first].filled(day=DAYS[digest.weekday], hour=digest.hour.strftime("%H:%M"))
    for other in others:
        short = _own_dates(digest) if other is Cadence.CRON else RHYTHMS[other]
        said = Say("%(this)s, or %(that)s", this=said, that=short)
    return said


def cadence_choices(digest: Digest, chosen: str | None) -> list[dict[str, object]]:
    """The radio buttons of the subscribe form; ``within`` is the label as part of a sentence."""
    selected = chosen if chosen in digest.cadences else digest.cadences[0].value
    return [_choice(digest, cadence, cadence.value == selected) for cadence in digest.cadences]


def _choice(digest: Digest, cadence: Cadence, checked: bool) -> dict[str, object]:
    day, own = DAYS[digest.weekday], cadence is Cadence.CRON
    return {
        "value": cadence.value,
        "label": _own_label(digest) if own else LABELS[cadence].filled(day=day),
        "within": _own_dates(digest) if own else WITHIN[cadence].filled(day=day),
        "checked": checked,
    }


def _own_label(digest: Digest) -> Say:
    when = _own_dates(digest)
    return Say("On set dates") if when is OWN_DATES else Say("On set dates: %(when)s", when=when)


def _own_dates(digest: Digest) -> Say:
    """The days of the week and their hour; else only that there are dates."""
    found = weekly_dates(digest.cron) if digest.cron else None
    if found is None:
        return OWN_DATES
    days, at = found
    said = DAYS[days[0]]
    for day in days[1:-1]:
        said = Say("%(this)s, %(that)s", this=said, that=DAYS[day])
    if len(days) > 1:
        said = Say("%(this)s and %(that)s", this=said, that=DAYS[days[-1]])
    if len(days) == len(WEEKDAYS):
        return SCHEDULES[Cadence.DAILY].filled(hour=at.strftime("%H:%M"))
    return Say("on %(days)s at %(hour)s", days=said, hour=at.strftime("%H:%M"))
