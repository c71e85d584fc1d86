"""Which column of a list of readers is what: our own names, those of other systems, and those people choose."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from feed_publisher.domain.errors import InputError
from feed_publisher.parse.text import clean

COLUMNS = ("email", "name", "topics", "cadence", "hour", "zone", "language", "consented_at", "consent_source", "state")
"""What our own lists have."""

FOREIGN = (
    "first_name last_name subscribed unsubscribed bounced complained opt_in_at opt_in_ip confirmed_at confirm_ip"
    " since attributes"
)
FIELDS = (*COLUMNS, *FOREIGN.split())
"""What a column can be."""

TOPICS = "topics"
"""The one field that may have several columns."""


class System(StrEnum):
    """Which program wrote the list."""

    CSV = "csv"
    LISTMONK = "listmonk"
    GHOST = "ghost"
    MAILCHIMP = "mailchimp"

    @property
    def shown(self) -> str:
        return "plain CSV" if self is System.CSV else self.value if self is System.LISTMONK else self.value.title()


_SIGNS = {
    System.MAILCHIMP: ({"emailaddress", "leid", "euid"}, {"emailaddress", "memberrating", "optintime"}),
    System.GHOST: ({"email", "subscribedtoemails", "complimentaryplan"}, {"email", "subscribedtoemails", "labels"}),
    System.LISTMONK: ({"uuid", "email", "attributes", "status"}, {"uuid", "email", "attribs", "status"}),
}

# As `plain_name` writes them; our own names are known without this. In the order of FIELDS.
_SYNONYMS = {
    "email": "emailaddress mail mailaddress emailadresse mailadresse emailid subscriberemail useremail contactemail"
    " adresseemail adressemail courriel adressecourriel correo correoelectronico emailadres indirizzoemail"
    " enderecodeemail epost epostadresse sahkoposti epostaadresi адресэлектроннойпочты электроннаяпочта"
    " メールアドレス 电子邮件 电子邮箱",
    "name": "fullname displayname membername contactname vollstandigername nomcomplet nom nombrecompleto nombre"
    " nomecompleto nome naam navn namn",
    "topics": "topic tags tag labels label lists list listname newsletters newsletter groups group segments segment"
    " categories category interests sections section themen thema rubriken rubrik ressorts ressort gruppen gruppe"
    " listen liste kategorien themes rubriques groupes listes temas grupos listas etiquetas argomenti gruppi",
    "cadence": "frequency howoften haufigkeit frequenz rhythmus frequence frecuencia frequenza",
    "hour": "uhrzeit stunde heure hora ora",
    "zone": "timezone zeitzone fuseauhoraire zonahoraria fusoorario",
    "language": "lang locale preferredlanguage sprache langue idioma lingua taal",
    "consented_at": "consentedon consentdate consenttime einwilligungam dateconsentement",
    "consent_source": "consentmethod signupsource optinsource source quelle",
    "state": "status subscriptionstatus emailstatus memberstatus subscriberstatus zustand statut etat estado stato",
    "first_name": "fname givenname vorname prenom primernombre voornaam fornavn",
    "last_name": "lname surname familyname nachname familienname nomdefamille apellido apellidos cognome achternaam",
    "subscribed": "subscribedtoemails issubscribed",
    "unsubscribed": "unsubscribedat unsubtime unsubscribetime unsubscribedate isunsubscribed optedout optout optouttime"
    " optoutdate abgemeldet abgemeldetam desinscrit deletedat",
    "bounced": "cleantime bouncedat hardbounced hardbounce bouncetime",
    "complained": "complainedat complaint spamcomplaint markedasspam",
    "opt_in_at": "optintime optindate optinat optedinat doubleoptintime doubleoptindate doubleoptinat",
    "opt_in_ip": "optinip signupip ip ipaddress ipadresse subscriberip",
    "confirmed_at": "confirmtime confirmdate confirmationtime confirmationdate bestatigtam dateconfirmation",
    "confirm_ip": "confirmationip",
    "since": "createdat creationdate dateadded addedat subscribedat joinedat angemeldetam",
    "attributes": "attribs",
}
_NOT_HERE = {
    # Guessed from an address on the network; a payment plan; ratings and dates of no consequence.
    System.MAILCHIMP: {"timezone", "lastchanged", "memberrating", "region", "notes"},
    System.GHOST: {"id", "note", "tiers", "products"},
    System.LISTMONK: {"uuid", "updatedat"},
}


def plain_name(name: str) -> str:
    """Without case, accents, spaces and signs."""
    letters = unicodedata.normalize("NFKD", clean(name).casefold())
    return re.sub(r"[\W_]+", "", "".join(each for each in letters if not unicodedata.combining(each)))


_FIELD_OF = {plain_name(word): field for field, words in _SYNONYMS.items() for word in words.split()}
_FIELD_OF |= {plain_name(field): field for field in FIELDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What becomes of a list: ``fields`` are those of the columns in ``header``, "" for one that is not used."""

    system: System
    header: tuple[str, ...]
    fields: tuple[str, ...]
    wanted: tuple[str, ...] = ()

    @property
    def has_address(self) -> bool:
        return "email" in self.fields

    def values(self, cells: Sequence[str]) -> dict[str, str]:
        """Cells by field, without those of ``topics``. InputError for a row with more cells than columns."""
        if any(cell.strip() for cell in cells[len(self.header) :]):
            excess = f"has {len(cells)} cells, the header {len(self.header)}"
            raise InputError(f"{excess}; put a cell that holds the separator in quotes")
        pairs = zip(self.fields, cells, strict=False)
        return {field: cell for field, cell in pairs if field and field != TOPICS}

    def groups(self, cells: Sequence[str]) -> list[str]:
        """The cells of all columns of topics."""
        return [cell for field, cell in zip(self.fields, cells, strict=False) if field == TOPICS]

    def complaints(self) -> Iterator[str]:
        """What is wrong with the header. Only of plain lists a column that nobody knows is: it may be a misspelling."""
        names = [clean(name).casefold() for name in self.header]
        if not self.has_address:
            found = ", ".join(filter(None, names))[:300] or "nothing"
            known = ", ".join(COLUMNS)
            yield f"has no column named email; the first line has: {found}. Name the columns there: {known}"
            return
        if self.system is not System.CSV:
            return
        for index, (name, field) in enumerate(zip(names, self.fields, strict=True)):
            if field or not name or plain_name(name) in self.wanted:
                continue
            if name in names[:index]:
                yield f"has two columns named {name[:60]}; the first one is used"
            elif plain_name(name) not in _FIELD_OF:
                near = get_close_matches(name[:60], COLUMNS, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(COLUMNS)}"
                yield f"does not know the column {name[:60]} and leaves it out; {hint}"


def read_maps(texts: Sequence[str]) -> dict[str, str]:
    """“Column=field”, as typed, by the column; an empty field leaves the column out."""
    maps: dict[str, str] = {}
    for text in texts:
        column, sign, field = text.rpartition("=")
        field = field.strip().lower()
        if not sign or not plain_name(column):
            raise InputError(f"“{text}” is not COLUMN=FIELD; write it as “E-Mail Address=email”", "--map")
        if field and field not in FIELDS:
            near = get_close_matches(field, FIELDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(FIELDS)}"
            raise InputError(f"“{field}” is not a field; {hint}", "--map")
        maps[column.strip()] = field
    return maps


def plan_columns(header: Sequence[str], system: System | None, maps: Mapping[str, str]) -> Plan:
    """``system`` None: the one that its columns tell. What was mapped by hand comes first, then our own names."""
    plain = [plain_name(name) for name in header]
    maps = {plain_name(name): field for name, field in maps.items()}
    system = system or sniff(plain)
    fields = [""] * len(plain)
    taken: set[str] = set()

    def take(index: int, field: str) -> None:
        if not fields[index] and (field == TOPICS or field not in taken):
            fields[index] = field
            taken.add(field)

    for index, name in enumerate(plain):
        if maps.get(name):
            take(index, maps[name])
    unused = {name for name, field in maps.items() if not field} | _NOT_HERE.get(system, set())
    free = [index for index, name in enumerate(plain) if name and name not in unused and name not in maps]
    for index in free:
        if plain[index] in _OWN:
            take(index, _OWN[plain[index]])
    for index in free:
        if plain[index] in _FIELD_OF and (_FIELD_OF[plain[index]] == TOPICS) <= (TOPICS not in taken):
            take(index, _FIELD_OF[plain[index]])
    if "first_name" in taken and "last_name" not in taken and "name" in taken:
        fields[fields.index("name")] = "last_name"  # “Prénom, Nom”: beside a first name, it is the other one
    return Plan(system=system, header=tuple(map(clean, header)), fields=tuple(fields), wanted=tuple(maps))


_OWN = {plain_name(field): field for field in FIELDS}


def sniff(header: Sequence[str]) -> System:
    """The program whose columns these are, as `plain_name` writes them."""
    names = set(header)
    return next((system for system, signs in _SIGNS.items() if any(sign <= names for sign in signs)), System.CSV)
