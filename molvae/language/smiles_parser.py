"""A canonical SMILES as a graph whose aromatic bonds alternate, as the encoder of SELFIES makes
them: compiled.

The encoder pairs the atoms of aromatic systems that want a double bond, greedily at first, and by
augmenting paths if that leaves atoms alone. Here only the first is done, for it nearly always is
enough; the rest, and text that canonical SMILES seldom holds, is refused, for the caller to ask the
encoder itself. Knows neither RDKit nor selfies."""

from __future__ import annotations

from ..runtime.compilation import compiled
from .spelling import AROMATIC, CHARGE, HIGH, HYDROGENS, LOW, OUTER, Bytes, Ints, Spellings

# Rows of the table of atoms that a SMILES is read into. Orders and valences count double, so that 3
# is aromatic.
TOKEN, PARENT, ORDER, SIGN, LAST, VALENCE, DIGITS, KEPT, MATE, DEGREE, NEAR = range(11)
"""Rows: spelling; parent, bond to it and the byte ``/`` or ``\\`` on that; last child; valence
used; ring digits; whether it still wants a double bond, and the atom it has one with; number of
aromatic neighbours, and these."""
NEIGHBOURS = 4
ATOM_ROWS = NEAR + NEIGHBOURS

LEFT, RIGHT, RING_ORDER, LEFT_SIGN, RIGHT_SIGN, OPENED, CLOSED = range(7)
"""Rows of the table of rings, in the order in which they close: its two atoms, their bond, the byte
``/`` or ``\\`` at either end, and which of the ring digits of either atom it is."""
RING_ROWS = 7

NO, YES, UNDECIDED = range(3)
"""Answers to whether a SMILES can be read; no means that an atom in it is none of the
alphabet's.
"""

(
    _OPEN,
    _CLOSE,
    _MINUS,
    _SLASH,
    _ZERO,
    _NINE,
    _EQUALS,
    _BRACKET,
    _BACKSLASH,
    _END,
    _TRIPLE,
    _PERCENT,
) = b"()-/09=[\\]#%"
_B, _C, _L, _R, _PLUS, _COLON = b"BClr+:"


@compiled()
def read(
    spellings: Spellings,
    text: Bytes,
    begin: int,
    end: int,
    atoms: Ints,
    rings: Ints,
    hanging: Ints,
    stack: Ints,
    sizes: Ints,
) -> int:
    """Read a SMILES into atoms and rings, their number into ``sizes``; YES if that was possible."""
    hanging[0] = -1
    size = made = depth = bond = 0
    current, fresh, at = -1, False, begin
    while at < end:
        byte, start = text[at], at
        at += 1
        if byte in (_OPEN, _CLOSE):
            depth += 1 if byte == _OPEN else -1
            if bond or current < 0 or depth < 0:
                return UNDECIDED
            stack[0, depth - 1] = current if byte == _OPEN else stack[0, depth - 1]
            current, fresh = (current if byte == _OPEN else stack[0, depth]), False
        elif byte in (_MINUS, _EQUALS, _TRIPLE, _SLASH, _BACKSLASH):
            if bond:
                return UNDECIDED
            bond = byte
        elif _ZERO <= byte <= _NINE or byte == _PERCENT:
            at += 2 if byte == _PERCENT else 0
            number = _number(text, start, at) if at <= end else -1
            if (
                number < 0 or not fresh
            ):  # digits after a branch would change the order of an atom's bonds
                return UNDECIDED
            made = _close(spellings, atoms, rings, hanging, number, current, bond, made)
            bond = 0
            if made < 0:
                return UNDECIDED
        else:
            at = _end_of_atom(text, start, end)
            token = _find(spellings, text, start, at)
            if token < 0:
                return NO if _is_foreign(text, start, at) else UNDECIDED
            if not _attach(spellings, atoms, size, token, current, bond):
                return UNDECIDED
            current, bond, fresh = size, 0, True
            size += 1
    sizes[0], sizes[1] = size, made
    return YES if size > 0 and depth == 0 and bond == 0 and _none_hang(hanging) else UNDECIDED


@compiled(forceinline=True)
def _none_hang(hanging: Ints) -> bool:
    """Whether every ring that was opened is closed."""
    opened = 0
    for number in range(hanging.shape[1]):  # a maximum by numpy takes long to compile
        opened += hanging[0, number] >= 0
    return opened == 0


@compiled(forceinline=True)
def _is_foreign(text: Bytes, start: int, stop: int) -> bool:
    """Whether an unknown spelling is that of an atom in brackets, plainly written: then the
    alphabet lacks the atom.
    """
    for place in range(start + 1, stop - 1):
        if (
            text[place] < _PLUS or text[place] == _COLON
        ):  # a label, which the encoder would leave out
            return False
    return bool(text[start] == _BRACKET and text[stop - 1] == _END)


@compiled(forceinline=True)
def _number(text: Bytes, start: int, stop: int) -> int:
    """The number of a ring, spelled 7 or %42; -1 for any other spelling."""
    number = 0
    for place in range(start + (stop - start > 1), stop):
        if not _ZERO <= text[place] <= _NINE:
            return -1
        number = 10 * number + text[place] - _ZERO
    return number


@compiled(forceinline=True)
def _end_of_atom(text: Bytes, start: int, end: int) -> int:
    stop = start + 1
    if text[start] == _BRACKET:
        while stop < end and text[stop - 1] != _END:
            stop += 1
    elif stop < end and (
        (text[start] == _C and text[stop] == _L) or (text[start] == _B and text[stop] == _R)
    ):
        stop += 1
    return stop


@compiled(forceinline=True)
def _find(spellings: Spellings, text: Bytes, start: int, stop: int) -> int:
    """The number of an atom's spelling, -1 for an unknown one."""
    for token in range(len(spellings.start) - 1):
        first = spellings.start[token]
        if spellings.start[token + 1] - first != stop - start:
            continue
        place = 0
        while place < stop - start and spellings.text[first + place] == text[start + place]:
            place += 1
        if place == stop - start:
            return token
    return -1


@compiled(forceinline=True)
def _order(bond: int) -> int:
    return 4 if bond == _EQUALS else 6 if bond == _TRIPLE else 2


@compiled(forceinline=True)
def _sign(bond: int) -> int:
    return bond if bond in (_SLASH, _BACKSLASH) else 0


@compiled(forceinline=True)
def _are_aromatic(spellings: Spellings, atoms: Ints, left: int, right: int) -> bool:
    both = (
        spellings.atoms[atoms[TOKEN, left], AROMATIC]
        + spellings.atoms[atoms[TOKEN, right], AROMATIC]
    )
    return bool(both == 2)


@compiled(forceinline=True)
def _attach(
    spellings: Spellings, atoms: Ints, atom: int, token: int, parent: int, bond: int
) -> bool:
    """Add an atom, bonded to ``parent`` unless that is -1; False if it cannot be."""
    atoms[:, atom] = 0
    atoms[TOKEN, atom], atoms[PARENT, atom], atoms[LAST, atom], atoms[MATE, atom] = (
        token,
        parent,
        -1,
        -1,
    )
    if parent < 0:
        return atom == 0 and bond == 0
    aromatic = bond == 0 and _are_aromatic(spellings, atoms, parent, atom)
    atoms[ORDER, atom], atoms[SIGN, atom], atoms[LAST, parent] = (
        3 if aromatic else _order(bond),
        _sign(bond),
        atom,
    )
    return _join(atoms, parent, atom, atoms[ORDER, atom])


@compiled(forceinline=True)
def _join(atoms: Ints, left: int, right: int, order: int) -> bool:
    """Count a bond at both its atoms; False if an atom has more aromatic bonds than there is room
    for.
    """
    return _bind(atoms, left, right, order) and _bind(atoms, right, left, order)


@compiled(forceinline=True)
def _bind(atoms: Ints, one: int, other: int, order: int) -> bool:
    atoms[VALENCE, one] += order
    if order == 3:
        if atoms[DEGREE, one] == NEIGHBOURS:
            return False
        atoms[NEAR + atoms[DEGREE, one], one] = other
        atoms[DEGREE, one] += 1
    return True


@compiled(forceinline=True)
def _close(
    spellings: Spellings,
    atoms: Ints,
    rings: Ints,
    hanging: Ints,
    number: int,
    atom: int,
    bond: int,
    made: int,
) -> int:
    """Open ring ``number`` at an atom, or close it; returns how many are closed, -1 for what is not
    understood.
    """
    atoms[DIGITS, atom] += 1
    left, other = hanging[0, number], hanging[1, number]
    if left < 0:
        hanging[0, number], hanging[1, number], hanging[2, number] = atom, bond, atoms[DIGITS, atom]
        return made
    if left == atom or atoms[PARENT, atom] == left:
        return -1
    for ring in range(made):
        if rings[LEFT, ring] == left and rings[RIGHT, ring] == atom:
            return -1
    if bond and other and bond != other and not (_sign(bond) and _sign(other)):
        return -1
    order = max(_order(bond), _order(other))
    if bond == 0 and other == 0 and _are_aromatic(spellings, atoms, left, atom):
        order = 3
    rings[LEFT, made], rings[RIGHT, made], rings[RING_ORDER, made] = left, atom, order
    rings[LEFT_SIGN, made], rings[RIGHT_SIGN, made] = _sign(other), _sign(bond)
    rings[OPENED, made], rings[CLOSED, made] = hanging[2, number], atoms[DIGITS, atom]
    hanging[0, number] = -1
    return made + 1 if _join(atoms, left, atom, order) else -1


@compiled(forceinline=True)
def _wants_mate(spelling: Ints, valence: int, degree: int) -> bool:
    """Whether an aromatic atom needs a double bond to one of its ``degree`` aromatic neighbours, as
    SELFIES counts.
    """
    if degree == 0:
        return False
    used, charge = (valence - degree) // 2, spelling[CHARGE]
    if spelling[HYDROGENS] < 0:
        return bool(used != spelling[LOW] and used != spelling[HIGH])
    used += spelling[HYDROGENS]
    bound = max(0, charge) + spelling[HYDROGENS] + valence // 2 + valence % 2
    free = spelling[HIGH] - charge - used - max(0, spelling[OUTER] - bound) % 2
    return bool(
        used != spelling[LOW] - charge
        and used != spelling[HIGH] - charge
        and free >= 0
        and free % 2 == 1
    )


@compiled(forceinline=True)
def alternate(spellings: Spellings, atoms: Ints, rings: Ints, sizes: Ints) -> bool:
    """Give aromatic bonds the orders that the encoder gives them; False if its greedy pairing
    leaves an atom alone.

    Of the atoms that want a double bond the next is always that with the fewest free neighbours,
    the first of them."""
    alone = 0
    for atom in range(sizes[0]):
        aromatic = spellings.atoms[atoms[TOKEN, atom]]
        wants = aromatic[AROMATIC] == 1 and _wants_mate(
            aromatic, atoms[VALENCE, atom], atoms[DEGREE, atom]
        )
        atoms[KEPT, atom] = wants
        alone += wants
    while alone > 0:
        best, fewest = -1, NEIGHBOURS + 1
        for atom in range(sizes[0]):
            if atoms[KEPT, atom]:
                free = _free(atoms, atom)
                if 0 < free < fewest:
                    best, fewest = atom, free
        if best < 0:
            return False
        place = NEAR
        while not atoms[KEPT, atoms[place, best]]:
            place += 1
        mate = atoms[place, best]
        atoms[MATE, best], atoms[MATE, mate] = mate, best
        atoms[KEPT, best] = atoms[KEPT, mate] = 0
        alone -= 2
    for atom in range(sizes[0]):
        if atoms[ORDER, atom] == 3:
            atoms[ORDER, atom] = _settle(atoms, atoms[PARENT, atom], atom)
    for ring in range(sizes[1]):
        if rings[RING_ORDER, ring] == 3:
            rings[RING_ORDER, ring] = _settle(atoms, rings[LEFT, ring], rings[RIGHT, ring])
    return True


@compiled(forceinline=True)
def _free(atoms: Ints, atom: int) -> int:
    """How many neighbours of an atom still want a double bond."""
    free = 0
    for place in range(NEAR, NEAR + atoms[DEGREE, atom]):
        free += atoms[KEPT, atoms[place, atom]]
    return free


@compiled(forceinline=True)
def _settle(atoms: Ints, left: int, right: int) -> int:
    """The order of an aromatic bond between two atoms, once it is known who is whose mate."""
    order = 4 if atoms[MATE, left] == right else 2
    atoms[VALENCE, left] += order - 3
    atoms[VALENCE, right] += order - 3
    return order


@compiled(forceinline=True)
def turns(rings: Ints, made: int, atom: int) -> bool:
    """Whether SELFIES names the neighbours of an atom in an order of other parity than SMILES does.

    It names rings that close at the atom, then those that open there, by where they close.
    """
    odd = False
    for one in range(made):
        if rings[LEFT, one] != atom:
            continue
        for other in range(made):
            if rings[RIGHT, other] == atom and rings[CLOSED, other] > rings[OPENED, one]:
                odd = not odd
            later = rings[LEFT, other] == atom and rings[OPENED, other] > rings[OPENED, one]
            if later and rings[RIGHT, other] < rings[RIGHT, one]:
                odd = not odd
    return odd
