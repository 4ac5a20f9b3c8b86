"""A domain that is there to try things with: a library that lends books to its members.

Its assignments are drawn: a database, and then errands one after the other, each on what the ones before
it left. Whoever asks knows titles and names; ids have to be looked up.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from cohort.rollout.environments import Call
from cohort.tasks.toolscale_domain import Assignment, Database, Domain, Refusal, done, operation

TITLES = (
    "Tides", "The Bridge", "Salt and Iron", "A Winter Garden", "Maps of Nowhere", "The Clockmaker",
    "Seven Rivers", "Glass", "The Long Field", "Night Trains", "Ashes and Honey", "The Lighthouse",
)  # fmt: skip
MEMBERS = ("Ann", "Ben", "Eve", "Ida", "Jon", "Kim", "Leo", "Mia")
SHELVES = ("A1", "A2", "B1", "B2", "C1")
BOOKS_PER_MEMBER = 2

POLICY = f"""You work at the desk of a library.
A member may have at most {BOOKS_PER_MEMBER} books. A book that is lent cannot be lent again or moved.
The shelves are {", ".join(SHELVES)}. Look up the ids of books and members; they are never guessed.
When all is done, answer in a sentence, with what you were asked for."""


def _entry(database: Database, table: str, key: str) -> dict[str, Any]:
    entry: dict[str, Any] | None = database[table].get(key)
    if entry is None:
        raise Refusal(f"there is no {key} among the {table}")
    return entry


def find_book(database: Database, title: str) -> list[dict[str, Any]]:
    """Books with this title."""
    return [book for book in database["books"].values() if book["title"] == title]


def find_member(database: Database, name: str) -> list[dict[str, Any]]:
    """Members of this name."""
    return [member for member in database["members"].values() if member["name"] == name]


def lend_book(database: Database, book_id: str, member_id: str) -> dict[str, Any]:
    """Lend a book that is there to a member who may have one more."""
    book, member = _entry(database, "books", book_id), _entry(database, "members", member_id)
    if book["lent_to"]:
        raise Refusal(f"{book_id} is lent to {book['lent_to']}")
    if len(member["books"]) >= BOOKS_PER_MEMBER:
        raise Refusal(f"{member_id} has {BOOKS_PER_MEMBER} books already")
    book["lent_to"] = member_id
    member["books"].append(book_id)
    return book


def take_back_book(database: Database, book_id: str) -> dict[str, Any]:
    """Take a book back from whoever has it."""
    book = _entry(database, "books", book_id)
    if not book["lent_to"]:
        raise Refusal(f"{book_id} is not lent")
    _entry(database, "members", book["lent_to"])["books"].remove(book_id)
    book["lent_to"] = ""
    return book


def move_book(database: Database, book_id: str, shelf: str) -> dict[str, Any]:
    """Put a book that is there on another shelf."""
    book = _entry(database, "books", book_id)
    if shelf not in SHELVES:
        raise Refusal(f"there is no shelf {shelf}")
    if book["lent_to"]:
        raise Refusal(f"{book_id} is lent to {book['lent_to']}")
    book["shelf"] = shelf
    return book


LIBRARY = Domain(
    "library",
    POLICY,
    (
        operation(find_book, "Look up a book by its title.", writes=False, title="the whole title"),
        operation(find_member, "Look up a member by name.", writes=False, name="the name"),
        operation(
            lend_book,
            "Lend a book to a member.",
            book_id="the book's id",
            member_id="the member's id",
        ),
        operation(take_back_book, "Take back a book that was lent.", book_id="the book's id"),
        operation(
            move_book, "Put a book on a shelf.", book_id="the book's id", shelf="for example A1"
        ),
    ),
)


def drawn_database(generator: np.random.Generator, books: int = 6, members: int = 3) -> Database:
    """Books and members, some of the books lent."""
    titles = [TITLES[int(place)] for place in generator.permutation(len(TITLES))[:books]]
    names = [MEMBERS[int(place)] for place in generator.permutation(len(MEMBERS))[:members]]
    ids = [f"b{int(n)}" for n in generator.choice(900, size=books, replace=False) + 100]
    own = [f"m{int(n)}" for n in generator.choice(900, size=members, replace=False) + 100]
    database: Database = {
        "books": {
            key: {"id": key, "title": title, "shelf": _one(generator, SHELVES), "lent_to": ""}
            for key, title in zip(ids, titles, strict=True)
        },
        "members": {
            key: {"id": key, "name": name, "books": []}
            for key, name in zip(own, names, strict=True)
        },
    }
    for member in own[:-1]:
        lend_book(database, _one(generator, _there(database)), member)
    return database


def drawn(generator: np.random.Generator, name: str, errands: int) -> Assignment:
    """An assignment of so many errands, and for one in two also a question. It is sound by its making."""
    database = drawn_database(generator)
    left = copy.deepcopy(database)
    golden: list[Call] = []
    asked: list[str] = []
    while len(golden) < errands:
        kind = _one(generator, tuple(ERRANDS))
        made = ERRANDS[kind](left, generator)
        if made is None or any(
            made[0].arguments["book_id"] == c.arguments["book_id"] for c in golden
        ):
            continue
        done(LIBRARY, made[0], left)
        golden.append(made[0])
        asked.append(made[1])
    told: tuple[str, ...] = ()
    if generator.random() < 0.5:
        book = left["books"][_one(generator, tuple(left["books"]))]
        asked.append(f"on which shelf does {book['title']} stand then?")
        told = (book["shelf"],)
    request = "; ".join(asked)
    return Assignment(name, f"{request[0].upper()}{request[1:]}", database, tuple(golden), told)


def _one(generator: np.random.Generator, values: tuple[str, ...]) -> str:
    return values[int(generator.integers(len(values)))]


def _there(database: Database) -> tuple[str, ...]:
    return tuple(key for key, book in database["books"].items() if not book["lent_to"])


Errand = tuple[Call, str] | None
"""A call, and how it is asked for; None where there is nothing of the kind to do."""


def _lending(database: Database, generator: np.random.Generator) -> Errand:
    members = database["members"].items()
    free = tuple(key for key, member in members if len(member["books"]) < BOOKS_PER_MEMBER)
    if not free or not _there(database):
        return None
    book, member = _one(generator, _there(database)), _one(generator, free)
    title, name = database["books"][book]["title"], database["members"][member]["name"]
    call = Call("lend_book", {"book_id": book, "member_id": member})
    return call, f"lend {title} to {name}"


def _returning(database: Database, generator: np.random.Generator) -> Errand:
    lent = tuple(key for key, book in database["books"].items() if book["lent_to"])
    if not lent:
        return None
    book = _one(generator, lent)
    return Call(
        "take_back_book", {"book_id": book}
    ), f"take back {database['books'][book]['title']}"


def _moving(database: Database, generator: np.random.Generator) -> Errand:
    if not _there(database):
        return None
    book = _one(generator, _there(database))
    elsewhere = tuple(shelf for shelf in SHELVES if shelf != database["books"][book]["shelf"])
    shelf = _one(generator, elsewhere)
    call = Call("move_book", {"book_id": book, "shelf": shelf})
    return call, f"put {database['books'][book]['title']} on shelf {shelf}"


ERRANDS: dict[str, Callable[[Database, np.random.Generator], Errand]] = {
    "lending": _lending,
    "returning": _returning,
    "moving": _moving,
}
"""What may be asked for."""
