"""Who the drawn people are: wardrobes, and families that share one but for an attribute."""

from dataclasses import dataclass, fields, replace

import numpy as np

# Blue, green, red; spread over hue and lightness so that no two names look alike.
PALETTE: dict[str, tuple[int, int, int]] = {
    'white': (235, 235, 235),
    'grey': (128, 128, 128),
    'black': (34, 32, 32),
    'red': (48, 40, 200),
    'orange': (40, 130, 235),
    'yellow': (60, 215, 240),
    'green': (70, 150, 50),
    'teal': (160, 150, 30),
    'sky': (235, 180, 110),
    'blue': (190, 80, 40),
    'navy': (90, 40, 28),
    'purple': (150, 50, 120),
    'pink': (180, 130, 240),
    'brown': (45, 75, 115),
    'beige': (165, 200, 222),
}
SKIN = {
    'light': (170, 190, 228),
    'tan': (120, 155, 205),
    'brown': (75, 105, 155),
    'dark': (48, 66, 98),
}
HAIR_COLOURS = {
    'black': (28, 26, 26),
    'brown': (38, 58, 88),
    'blond': (110, 185, 220),
    'red': (35, 75, 165),
    'grey': (165, 165, 165),
}
HAIR_STYLES = ('short', 'long', 'bun', 'afro', 'bald')
HEADWEAR = ('none', 'cap', 'beanie', 'brimmed', 'hood')
TOPS = ('tshirt', 'sweater', 'coat', 'vest')
PATTERNS = ('plain', 'bands', 'stripes', 'checks', 'dots', 'halves', 'chest', 'sash')
BOTTOMS = ('trousers', 'shorts', 'skirt', 'dress')
BAGS = ('none', 'backpack', 'crossbody', 'handbag', 'suitcase')
BUILDS = ('slim', 'medium', 'broad')

# The attributes in which the members of a family may differ: each shows from every side.
DISTINGUISHING = ('hair', 'headwear', 'top_colour', 'pattern', 'bottom', 'bottom_colour', 'bag')


@dataclass(frozen=True)
class Wardrobe:
    """Everything about a person that a camera sees, as names listed in this module.

    ``hair``, ``headwear``, ``pattern`` and ``bag`` are pairs of a kind and a colour.
    """

    skin: str
    build: str
    hair: tuple[str, str]
    headwear: tuple[str, str]
    top: str
    top_colour: str
    pattern: tuple[str, str]
    bottom: str
    bottom_colour: str
    shoes: str
    bag: tuple[str, str]

    def differences(self, other: 'Wardrobe') -> list[str]:
        """Names of the attributes in which two wardrobes differ."""
        return [f.name for f in fields(self) if getattr(self, f.name) != getattr(other, f.name)]


@dataclass(frozen=True)
class Identity:
    """A wardrobe and the family it belongs to (-1 for somebody without look-alikes)."""

    wardrobe: Wardrobe
    family: int


def _pick(rng: np.random.Generator, options, avoid: tuple[str, ...] = ()) -> str:
    allowed = [name for name in options if name not in avoid]
    return allowed[int(rng.integers(len(allowed)))]


def contrast(first: str, second: str) -> float:
    """Largest difference of two palette colours over the three channels, 0 to 255."""
    pair = np.array([PALETTE[first], PALETTE[second]], dtype=float)
    return float(np.abs(pair[0] - pair[1]).max())


def _contrasting(rng: np.random.Generator, colour: str, least: float = 90.0) -> str:
    return _pick(rng, [name for name in PALETTE if contrast(name, colour) >= least])


def _draw_field(rng: np.random.Generator, name: str, base: dict) -> object:
    """One value of a distinguishing attribute, given the attributes drawn before it."""
    if name == 'hair':
        return _pick(rng, HAIR_STYLES), _pick(rng, HAIR_COLOURS)
    if name == 'headwear':
        kind = 'none' if rng.random() < 0.5 else _pick(rng, HEADWEAR, ('none',))
        return kind, _pick(rng, PALETTE)
    if name == 'top_colour':
        return _pick(rng, PALETTE)
    if name == 'pattern':
        kind = 'plain' if rng.random() < 0.15 else _pick(rng, PATTERNS, ('plain',))
        return kind, _contrasting(rng, base['top_colour'])
    if name == 'bottom':
        return _pick(rng, BOTTOMS)
    if name == 'bottom_colour':
        return _contrasting(rng, base['top_colour'], least=60.0)
    kind = 'none' if rng.random() < 0.35 else _pick(rng, BAGS, ('none',))
    return kind, _contrasting(rng, base['top_colour'])


def draw_wardrobe(rng: np.random.Generator) -> Wardrobe:
    """A random wardrobe."""
    base: dict = {
        'skin': _pick(rng, SKIN),
        'build': _pick(rng, BUILDS),
        'top': _pick(rng, TOPS),
        'shoes': _pick(rng, PALETTE),
    }
    for name in ('top_colour', 'pattern', 'hair', 'headwear', 'bottom', 'bottom_colour', 'bag'):
        base[name] = _draw_field(rng, name, base)
    return Wardrobe(**base)


def _shows(wardrobe: Wardrobe, name: str) -> bool:
    """Whether a change of the attribute would be seen on this wardrobe."""
    if name == 'hair':
        return wardrobe.headwear[0] == 'none'
    return True


def _alike(name: str, first, second) -> bool:
    """Whether two values of an attribute are too close to tell the people apart."""
    if name in ('pattern', 'headwear', 'bag', 'hair'):
        return first[0] == second[0]
    if name in ('top_colour', 'bottom_colour'):
        return contrast(first, second) < 90.0
    return first == second


def draw_family(rng: np.random.Generator, size: int) -> list[Wardrobe]:
    """``size`` wardrobes that agree in everything but one distinguishing attribute."""
    while True:
        first = draw_wardrobe(rng)
        name = _pick(rng, [n for n in DISTINGUISHING if _shows(first, n)])
        members = [first]
        for _ in range(50):
            if len(members) == size:
                return members
            value = _draw_field(rng, name, vars(first))
            clash = name == 'top_colour' and contrast(value, first.pattern[1]) < 90.0
            if not clash and not any(_alike(name, value, getattr(m, name)) for m in members):
                members.append(replace(first, **{name: value}))


def draw_identities(
    rng: np.random.Generator, count: int, family_share: float = 0.65
) -> list[Identity]:
    """``count`` different identities, at least ``family_share`` of them in families of two to four.

    The order is random, so that relatives are not neighbours.
    """
    identities: list[Identity] = []
    seen: set[Wardrobe] = set()
    family = 0
    while len(identities) < count:
        left = count - len(identities)
        in_family = len(identities) < family_share * count and left > 1
        size = min(int(rng.choice([2, 3, 3, 3, 4])), left) if in_family else 1
        members = draw_family(rng, size) if in_family else [draw_wardrobe(rng)]
        if seen.intersection(members):
            continue
        seen.update(members)
        identities += [Identity(member, family if in_family else -1) for member in members]
        family += in_family
    order = rng.permutation(count)
    return [identities[i] for i in order]
