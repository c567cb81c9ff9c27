"""Prints the public surface of the crate, from rustdoc's JSON: public_api.py FILE. ci/public-api.sh runs it.

One line for each public item, sorted: its path in the crate, and its declaration as in Rust source. Names of this crate are
paths from its root, those of private types and traits with the module they are in. Names of std are bare if they are in the
prelude, else `core::module::Name`: the modules below that are std's own matter, and change. Where an auto trait has no line,
it is not implemented, or only for some of the parameters, of which rustdoc knows nothing: tests/auto_traits.rs has those.
"""

import json
import sys

# Another rustdoc may write another format. What is used here rarely changes.
FORMAT = 57
# The others are not stable.
AUTO = {"Send", "Sync", "Unpin", "UnwindSafe", "RefUnwindSafe"}
PRELUDE = set(
    """AsMut AsRef Box Clone Copy Default DoubleEndedIterator Drop Eq ExactSizeIterator Extend Fn FnMut FnOnce From FromIterator
    Into IntoIterator Iterator Option Ord PartialEq PartialOrd Result Send Sized String Sync ToOwned ToString TryFrom TryInto
    Unpin Vec""".split()
)


def only(value):
    """What the JSON has for an enum of Rust, {"variant": content} or "variant", as (variant, content)."""
    return (value, None) if isinstance(value, str) else next(iter(value.items()))


def listed(values, before="<", after=">"):
    return before + ", ".join(values) + after if values else ""


class Surface:
    def __init__(self, crate):
        self.index, self.summaries = crate["index"], crate["paths"]
        self.names, self.lines = {}, set()
        self.find(crate["root"], "")
        # If an item has several paths, the shortest is where it is; the others are lines of their own.
        self.paths = {id: min(names, key=lambda name: (name.count("::"), name)) for id, names in self.names.items()}
        for id, path in self.paths.items():
            self.lines.update(f"{name}: pub use {path}" for name in self.names[id] - {path})
            self.item(self.index[id], path)

    def find(self, module, prefix):
        """The public paths of what is in a module."""
        for id in map(str, self.index[str(module)]["inner"]["module"]["items"]):
            kind, it = only(self.index[id]["inner"]) if id in self.index else ("private", None)
            if kind in ("private", "impl"):
                continue
            name = prefix + (self.index[id]["name"] or it["name"])
            if kind == "use":
                id = str(it["id"])
                kind = only(self.index[id]["inner"])[0] if id in self.index else "foreign"
                if it["is_glob"] and kind == "module":
                    self.find(id, prefix)
                    continue
            if kind == "foreign":
                self.lines.add(f"{name}{'::*' * it['is_glob']}: pub use {it['source']}")
                continue
            self.names.setdefault(id, set()).add(name)
            if kind == "module" and len(self.names[id]) == 1:
                self.find(id, name + "::")

    def add(self, path, item, text):
        marks = {only(mark)[0] for mark in item["attrs"]} & {"must_use", "non_exhaustive"}
        marks |= {"deprecated"} if item["deprecation"] else set()
        self.lines.add(f"{path}: {''.join(f'#[{mark}] ' for mark in sorted(marks))}{text}")

    def item(self, item, path):
        kind, it = only(item["inner"])
        name = path.rpartition("::")[2]
        if kind == "macro":
            return self.add(path, item, " ".join(it.split()))
        generics, where = self.generics(it["generics"]) if "generics" in it else ("", "")
        if kind == "module":
            self.add(path, item, f"pub mod {name}")
        elif kind == "struct":
            self.add(path, item, f"pub struct {name}{generics}{self.fields(it['kind'])}{where}")
        elif kind == "enum":
            self.add(path, item, f"pub enum {name}{generics}{where}")
            for variant in self.items(it["variants"]):
                of = variant["inner"]["variant"]
                value = f" = {of['discriminant']['value']}" if of["discriminant"] else ""
                self.add(f"{path}::{variant['name']}", variant, variant["name"] + self.fields(of["kind"]) + value)
        elif kind == "trait":
            words = "unsafe " * it["is_unsafe"] + "auto " * it["is_auto"]
            self.add(path, item, f"pub {words}trait {name}{generics}{self.bounds(it['bounds'])}{where}")
            for member in self.items(it["items"]):
                self.add(f"{path}::{member['name']}", member, self.member(member))
        elif kind == "type_alias":
            self.add(path, item, f"pub type {name}{generics}{where} = {self.type(it['type'])}")
        elif kind == "constant":
            self.add(path, item, f"pub const {name}: {self.type(it['type'])} = {it['const']['value'] or it['const']['expr']}")
        elif kind == "static":
            self.add(path, item, f"pub static {'mut ' * it['is_mutable']}{name}: {self.type(it['type'])}")
        else:
            self.add(path, item, "pub " + self.member(item))
        for block in self.items(it.get("impls", ())):
            self.implementation(block, path)
        # The others are with the types that they are for.
        for block in self.items(it.get("implementations", ())):
            kind, target = only(block["inner"]["impl"]["for"])
            if kind != "resolved_path" or self.summaries[str(target["id"])]["crate_id"] != 0:
                self.implementation(block, path)

    def items(self, ids):
        return [self.index[str(id)] for id in ids if str(id) in self.index]

    def fields(self, kind):
        kind, it = only(kind)
        if kind == "tuple":
            return listed(["_" if id is None else self.field(self.index[str(id)]) for id in it], "(", ")")
        if it is None:
            return ""
        fields = [self.field(field, f"{field['name']}: ") for field in self.items(it["fields"])]
        return listed(fields + [".."] * it["has_stripped_fields"], " { ", " }")

    def field(self, field, name=""):
        return "pub " * (field["visibility"] == "public") + name + self.type(field["inner"]["struct_field"])

    def member(self, item):
        """A function; or what else a trait or an impl can have."""
        kind, it = only(item["inner"])
        name = item["name"]
        if kind == "function":
            generics, where = self.generics(it["generics"])
            provided = " { .. }" * (it["has_body"] and item["visibility"] == "default")
            return f"{self.header(it['header'])}fn {name}{generics}{self.signature(it['sig'], True)}{where}{provided}"
        if kind == "assoc_const":
            value = f" = {it['value']}" if it["value"] not in (None, "_") else ""
            return f"const {name}: {self.type(it['type'])}{value}"
        if kind == "assoc_type":
            generics, where = self.generics(it["generics"])
            return f"type {name}{generics}{self.bounds(it['bounds'])}{self.optional(' = ', it['type'])}{where}"
        raise LookupError(kind)

    def implementation(self, item, path):
        it = item["inner"]["impl"]
        generics, where = self.generics(it["generics"], it["is_synthetic"])
        target, members = self.type(it["for"]), self.items(it["items"])
        if not it["trait"]:
            for member in members:
                self.add(f"{path}::{member['name']}", member, f"impl{generics} {target}{where} {{ pub {self.member(member)} }}")
            return
        trait = self.summaries[str(it["trait"]["id"])]
        private = trait["crate_id"] == 0 and str(it["trait"]["id"]) not in self.paths
        internal = it["is_synthetic"] and (it["is_negative"] or trait["path"][-1] not in AUTO)
        if it["blanket_impl"] or private or internal or trait["path"][-1] == "StructuralPartialEq":
            return
        inside = " ".join(sorted(self.member(each) + ";" for each in members if "function" not in each["inner"]))
        words = "unsafe " * it["is_unsafe"] + f"impl{generics} " + "!" * it["is_negative"]
        self.add(path, item, f"{words}{self.path(it['trait'])} for {target}{where}{f' {{ {inside} }}' if inside else ''}")

    def header(self, it):
        abi = f'extern "{only(it["abi"])[0]}" ' if it["abi"] != "Rust" else ""
        return "const " * it["is_const"] + "async " * it["is_async"] + "unsafe " * it["is_unsafe"] + abi

    def signature(self, it, named):
        inputs = []
        for name, type in it["inputs"]:
            text = self.type(type)
            if name == "self" and text.endswith("Self") and only(type)[0] in ("generic", "borrowed_ref"):
                inputs.append(text.removesuffix("Self") + "self")
            else:
                inputs.append(f"{name}: {text}" if named else text)
        return f"({', '.join(inputs)}){self.optional(' -> ', it['output'])}"

    def generics(self, it, ordered=False):
        # A synthetic parameter is an argument's `impl Trait`, and is written there.
        params = [self.param(each) for each in it["params"] if not (only(each["kind"])[1] or {}).get("is_synthetic")]
        where = [self.predicate(each) for each in it["where_predicates"]]
        return listed(params), listed(sorted(where) if ordered else where, " where ", "")

    def param(self, param):
        kind, it = only(param["kind"])
        if kind == "lifetime":
            return param["name"] + (": " + " + ".join(it["outlives"]) if it["outlives"] else "")
        if kind == "const":
            return f"const {param['name']}: {self.type(it['type'])}{' = ' + it['default'] if it['default'] else ''}"
        return param["name"] + self.bounds(it["bounds"]) + self.optional(" = ", it["default"])

    def predicate(self, predicate):
        kind, it = only(predicate)
        if kind == "lifetime_predicate":
            return f"{it['lifetime']}: {' + '.join(it['outlives'])}"
        return self.higher(it) + self.type(it["type"]) + self.bounds(it["bounds"])

    def higher(self, it):
        return listed([self.param(param) for param in it["generic_params"]], "for<", "> ")

    def bounds(self, bounds, before=": "):
        return before + " + ".join(map(self.bound, bounds)) if bounds else ""

    def bound(self, bound):
        kind, it = only(bound)
        if kind == "outlives":
            return it
        if kind == "use":
            return f"use<{', '.join(only(name)[1] for name in it)}>"
        return {"none": "", "maybe": "?"}[it["modifier"]] + self.higher(it) + self.path(it["trait"])

    def path(self, it):
        name, found = self.paths.get(str(it["id"])), self.summaries[str(it["id"])]
        crate, *modules, last = found["path"]
        if not name and found["crate_id"] == 0:
            name = "::".join([*modules[-1:], last])
        elif not name and crate in ("core", "alloc", "std"):
            name = last if last in PRELUDE and found["kind"] != "type_alias" else "::".join([crate, *modules[:1], last])
        return (name or f"{crate}::{last}") + self.arguments(it["args"])

    def arguments(self, args):
        kind, it = only(args) if args else ("none", None)
        if kind == "parenthesized":
            return f"({', '.join(map(self.type, it['inputs']))}){self.optional(' -> ', it['output'])}"
        return listed([*map(self.argument, it["args"]), *map(self.constraint, it["constraints"])]) if it else ""

    def argument(self, argument):
        kind, it = only(argument)
        return self.type(it) if kind == "type" else it["expr"] if kind in ("const", "constant") else it or "_"

    def constraint(self, it):
        kind, to = only(it["binding"])
        return it["name"] + self.arguments(it["args"]) + (self.bounds(to) if kind == "constraint" else " = " + self.argument(to))

    def optional(self, before, type):
        return before + self.type(type) if type else ""

    def type(self, type, within=False):
        kind, it = only(type)
        if kind in ("generic", "primitive"):
            return it if it != "never" else "!"
        if kind == "resolved_path":
            return self.path(it)
        if kind == "tuple":
            return f"({', '.join(map(self.type, it))}{',' * (len(it) == 1)})"
        if kind in ("slice", "array"):
            return f"[{self.type(it)}]" if kind == "slice" else f"[{self.type(it['type'])}; {it['len']}]"
        if kind == "borrowed_ref":
            return f"&{it['lifetime'] or ''}{' ' * bool(it['lifetime'])}{'mut ' * it['is_mutable']}{self.type(it['type'], True)}"
        if kind == "raw_pointer":
            return f"*{'mut' if it['is_mutable'] else 'const'} {self.type(it['type'], True)}"
        if kind in ("impl_trait", "dyn_trait"):
            if kind == "impl_trait":
                bounds = list(map(self.bound, it))
            else:
                bounds = [self.higher(each) + self.path(each["trait"]) for each in it["traits"]]
                bounds += [it["lifetime"]] * bool(it["lifetime"])
            text = f"{kind.removesuffix('_trait')} {' + '.join(bounds)}"
            return f"({text})" if within and len(bounds) > 1 else text
        if kind == "function_pointer":
            return self.higher(it) + self.header(it["header"]) + "fn" + self.signature(it["sig"], False)
        if kind == "qualified_path":
            of, name = self.type(it["self_type"]), it["name"] + self.arguments(it["args"])
            short = "generic" in it["self_type"] or not it["trait"]
            return f"{of}::{name}" if short else f"<{of} as {self.path(it['trait'])}>::{name}"
        raise LookupError(kind)


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        crate = json.load(file)
    try:
        print("\n".join(sorted(Surface(crate).lines)))
    except (LookupError, TypeError) as error:
        found = crate["format_version"]
        sys.exit(f"public_api.py was written for format {FORMAT} of rustdoc's JSON, this is {found}; not understood: {error!r}")
