"""Types that the tasks agree on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Money:
    """Hold an amount."""

    cents: int
    currency: str = "EUR"


@dataclass(frozen=True)
class User:
    """Hold a person."""

    email: str
    name: str


@dataclass(frozen=True)
class Product:
    """Hold what can be ordered."""

    sku: str
    title: str
    price: Money


@dataclass(frozen=True)
class Order:
    """Hold what a person ordered: products and how many of each."""

    user: User
    lines: tuple[tuple[Product, int], ...]
