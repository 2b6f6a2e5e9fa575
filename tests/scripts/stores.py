# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""stores.py OBJECT...: where the BPF programs of linked objects write, but for the stack.

A line for each program and place: PROGRAM HOW PLACE, where HOW is store, atomic or the
helper that writes, and PLACE a map, or control+OFFSET, or `?` for a pointer that was not
followed. Abstract interpretation: each register and each word of the stack holds a set of
pointers, joined where paths meet; functions are seen once for all their callers.
"""
import struct
import sys

HELPERS = {2: "update", 3: "delete", 27: "get_stackid", 87: "push", 88: "pop", 89: "peek",
           131: "reserve", 156: "storage_get", 157: "storage_delete"}
# Helpers that write to memory, and the register that points there.
WRITERS = {4: 1, 16: 1, 112: 1, 113: 1, 114: 1, 115: 1}
FOR_EACH = 164
SHIFT = 0x100000000


def text(blob, at):
    return blob[at:blob.index(b"\0", at)].decode()


class Elf:
    def __init__(self, path):
        self.blob = blob = open(path, "rb").read()
        shoff, = struct.unpack_from("<Q", blob, 40)
        size, count, names = struct.unpack_from("<HHH", blob, 58)
        raw = [struct.unpack_from("<IIQQQQIIQQ", blob, shoff + i * size) for i in range(count)]
        self.names = [text(blob, raw[names][4] + s[0]) for s in raw]
        self.data = [blob[s[4]:s[4] + s[5]] if s[1] != 8 else b"" for s in raw]
        self.code = [i for i, s in enumerate(raw) if s[1] == 1 and s[2] & 4 and s[5]]
        symtab = next(i for i, s in enumerate(raw) if s[1] == 2)
        strtab = self.data[raw[symtab][6]]
        self.symbols = []
        for at in range(0, raw[symtab][5], 24):
            name, info, _, section, value, _ = struct.unpack_from("<IBBHQQ", self.data[symtab], at)
            self.symbols.append((text(strtab, name), info & 15, section, value))
        self.relocations = {}
        for i, s in enumerate(raw):
            if s[1] != 9:
                continue
            for at in range(0, s[5], 16):
                offset, kind = struct.unpack_from("<QQ", self.data[i], at)
                self.relocations[s[7], offset // 8] = self.symbols[kind >> 32]
        self.functions = {(s[2], s[3] // 8): s[0] for s in self.symbols
                          if s[1] == 2 and s[2] in self.code}


def moved(pointers, by):
    """By a constant, or None: anywhere in the same object."""
    out = set()
    for kind, name, offset in pointers:
        if kind == "c":
            if by is not None:
                out.add((kind, name, (offset + by) % 2**64))
        else:
            out.add((kind, name, None if by is None or offset is None else offset + by))
    return frozenset(out)


def joined(a, b):
    both = a | b
    if len(both) > 24:
        both = moved(both, None)
    return both


class Program:
    def __init__(self, elf):
        self.elf = elf
        self.states = {}    # (section, insn) -> {register or stack offset: pointers}
        self.returns = {}
        self.callers = {}
        self.calls = {}     # function -> functions
        self.writes = {}    # function -> {(how, place)}
        self.work = []
        self.done = False
        self.function = {}

    def arrive(self, at, state, function):
        if self.done:
            return
        old = self.states.get(at)
        if old is None:
            new = dict(state)
        else:
            new = {k: joined(old.get(k, frozenset()), state.get(k, frozenset()))
                   for k in set(old) | set(state)}
        if old != new:
            self.states[at] = new
            self.work.append((at, function))

    def write(self, function, how, pointers, offset=0):
        # Who writes through a constant has asked whether it is NULL.
        pointers = [p for p in pointers if p[0] != "c"] or [("?", "?", 0)]
        for kind, name, at in pointers:
            if kind in ("s", "ring"):
                continue
            place = name
            if name == "control":
                place = "control+?" if at is None else f"control+{at + offset}"
            self.writes.setdefault(function, set()).add((how, place))

    def call_helper(self, function, number, state):
        first = state.get(1, frozenset())
        result = frozenset()
        if number == 1:
            result = frozenset(("m", name, 0) for kind, name, _ in first if kind == "fd")
        elif number in HELPERS:
            maps = first or [("?", "?", 0)]
            if number == 27:
                maps = state.get(2, frozenset()) or maps
            for _, name, _ in maps:
                self.writes.setdefault(function, set()).add((HELPERS[number], name))
            if number == 131:
                result = frozenset([("ring", "ring", 0)])
            if number == 156:
                result = frozenset(("m", name, 0) for _, name, _ in first)
            if number in (88, 89):
                self.write(function, "store", state.get(2, frozenset()))
        elif number in WRITERS:
            self.write(function, "store", state.get(WRITERS[number], frozenset()))
        elif number == FOR_EACH:
            for kind, target, _ in state.get(2, frozenset()):
                if kind == "f":
                    inner = {3: frozenset(("m", n, 0) for _, n, _ in first),
                             4: state.get(3, frozenset())}
                    self.enter(function, target, inner)
        for r in range(6):
            state.pop(r, None)
        if result:
            state[0] = result

    def enter(self, caller, target, arguments):
        self.calls.setdefault(caller, set()).add(target)
        state = {r: v for r, v in arguments.items() if r in (1, 2, 3, 4, 5)}
        state[10] = frozenset([("s", str(target), 0)])
        self.arrive(target, state, target)

    def target_of(self, at, immediate):
        """Of a call, or of a pointer to a function."""
        symbol = self.elf.relocations.get(at)
        if symbol is None:
            return at[0], at[1] + 1 + immediate
        _, kind, section, value = symbol
        if kind == 3:       # a section: the immediate says where in it
            return section, immediate + 1
        return section, value // 8

    def wide(self, at, register, immediate, high):
        symbol = self.elf.relocations.get(at)
        if register == 4:
            _, kind, section, value = symbol
            where = immediate // 8 if kind == 3 else value // 8
            return frozenset([("f", (section, where), 0)])
        if symbol is None:
            return frozenset([("c", "", (high << 32 | immediate & 0xffffffff))])
        name, _, section, value = symbol
        where = self.elf.names[section] if section < len(self.elf.names) else ""
        if where == ".maps":
            return frozenset([("fd", name, 0)])
        if where == ".data.control":
            return frozenset([("m", "control", value + immediate)])
        return frozenset([("m", where, 0)])

    def alu(self, code, state, to, source, immediate):
        wide = code & 7 == 7
        b = state.get(source, frozenset()) if code & 8 else frozenset([("c", "", immediate)])
        a = state.get(to, frozenset())
        if code & 0xf0 == 0xb0:
            return b if wide or all(k == "c" for k, _, _ in b) else frozenset()
        if not wide:
            return frozenset()
        if code & 0xf0 == 0x00:
            out = set()
            for x, y in ((a, b), (b, a)):
                pointers = frozenset(p for p in x if p[0] != "c")
                constants = [p[2] for p in y if p[0] == "c"]
                other = any(p[0] != "c" for p in y) or not y
                for n in constants:
                    out |= moved(pointers, n - 2**64 if n >= 2**63 else n)
                if pointers and other:
                    out |= moved(pointers, None)
            for x in a:
                for y in b:
                    if x[0] == y[0] == "c":
                        out.add(("c", "", (x[2] + y[2]) % 2**64))
            return frozenset(out)
        return moved(frozenset(p for p in a | b if p[0] != "c"), None)

    def store(self, function, code, state, to, source, offset):
        pointers = state.get(to, frozenset())
        value = state.get(source, frozenset()) if code & 7 == 3 else frozenset()
        if code & 0xe0 == 0xc0:
            self.write(function, "atomic", pointers, offset)
            return
        self.write(function, "store", pointers, offset)
        for kind, name, at in pointers:
            if kind == "s" and name == str(function) and at is not None and code & 0x18 == 0x18:
                state["s", at + offset] = value

    def step(self, at, function):
        section, i = at
        code, registers, offset, immediate = struct.unpack_from("<BBhi", self.elf.data[section], i * 8)
        to, source = registers & 15, registers >> 4
        state = dict(self.states[at])
        following = [(section, i + 1)]
        kind = code & 7
        if code == 0x18:
            high, = struct.unpack_from("<i", self.elf.data[section], i * 8 + 12)
            state[to] = self.wide(at, source, immediate, high)
            following = [(section, i + 2)]
        elif kind in (4, 7):
            state[to] = self.alu(code, state, to, source, immediate)
        elif kind == 1:
            pointers = state.get(source, frozenset())
            state[to] = frozenset()
            for k, name, a in pointers:
                if k == "s" and name == str(function) and a is not None and code & 0x18 == 0x18:
                    state[to] |= state.get(("s", a + offset), frozenset())
        elif kind in (2, 3):
            self.store(function, code, state, to, source, offset)
        elif code == 0x85 and source == 0:
            self.call_helper(function, immediate, state)
        elif code == 0x85:
            target = self.target_of(at, immediate)
            self.enter(function, target, state)
            self.callers.setdefault(target, set()).add((at, function))
            result = self.returns.get(target)
            for r in range(6):
                state.pop(r, None)
            following = [] if result is None else following
            state[0] = result or frozenset()
        elif code == 0x95:
            old = self.returns.get(function)
            new = joined(old or frozenset(), state.get(0, frozenset()))
            if old != new:
                self.returns[function] = new
                self.work += self.callers.get(function, ())
            following = []
        elif code == 0x05:
            following = [(section, i + 1 + offset)]
        elif kind in (5, 6):
            following.append((section, i + 1 + offset))
        for target in following:
            self.arrive(target, state, function)

    def run(self, entry):
        self.arrive(entry, {10: frozenset([("s", str(entry), 0)])}, entry)
        while self.work:
            at, function = self.work.pop()
            self.function[at] = function
            self.step(at, function)
        # On the way to this some pointers were not known yet.
        self.writes = {}
        self.done = True
        for at in self.states:
            self.step(at, self.function[at])

    def all_writes(self, entry):
        seen, todo, out = set(), [entry], set()
        while todo:
            function = todo.pop()
            if function not in seen:
                seen.add(function)
                out |= self.writes.get(function, set())
                todo += self.calls.get(function, ())
        return out


for path in sys.argv[1:]:
    elf = Elf(path)
    for entry, name in sorted(elf.functions.items()):
        if elf.names[entry[0]] == ".text":
            continue
        program = Program(elf)
        program.run(entry)
        for how, place in sorted(program.all_writes(entry)):
            print(name, how, place)
