//! The house holds: a room of `src/` uses only rooms below it, and files within a
//! room form no circle.
//!
//! Read from the source with a parser: every path that begins at `crate`, `self` or
//! `super`, in `use` lines and elsewhere; what only tests use does not count. A path
//! through a `pub use` leads to the file that has the item, so that a room's front
//! may name what is behind it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use syn::visit::Visit;

/// The rooms, each above those that it may use. `docs/architecture.md` shows the
/// same.
const ROOMS: &[&str] = &[
    "cli",
    "operation",
    "backup",
    "hooks",
    "catalogue",
    "acceptance",
    "app",
    "rollout",
    "owner",
    "wiring",
    "scenario",
    "scaffold",
    "toolchain",
    "recipe",
    "plugin",
    "secrets",
    "compose",
    "engine",
    "notify",
    "home",
];

/// Small, and every room may use them; in this order.
const LEAVES: &[&str] = &["progress", "lint", "hint", "regular", "bounded", "text", "yaml"];

/// Files that are one recursion: what the one begins, the other goes on with.
const RECURSIONS: &[&[&str]] = &[
    // A file includes files, and a service extends one of another file.
    &["compose/read/extends", "compose/read/include", "compose/read/load"],
    // A command has words, and a word may have commands in it.
    &["recipe/abra/scanner", "recipe/abra/script"],
];

/// A module's path below `src`: `["operation", "owner", "record"]`.
type Module = Vec<String>;

#[derive(Default)]
struct Source {
    modules: BTreeMap<Module, syn::File>,
}

/// What one file names.
#[derive(Default)]
struct Names {
    /// Whole paths from the crate's root, `["engine", "api", "Task"]`.
    paths: BTreeSet<Module>,
    /// What it shows of others under a name of its own: `pub use`.
    shown: BTreeMap<String, Module>,
    /// Shown whole: `pub use x::*`.
    globs: BTreeSet<Module>,
}

impl Source {
    fn read(folder: &Path) -> Self {
        let mut source = Source::default();
        source.add(folder, &mut Vec::new());
        source
    }

    fn add(&mut self, folder: &Path, module: &mut Module) {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                module.push(name);
                self.add(&path, module);
                module.pop();
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let mut own = module.clone();
                if !["mod", "lib", "main"].contains(&name.as_str()) {
                    own.push(name);
                }
                let text = fs::read_to_string(&path).unwrap();
                let file = syn::parse_file(&text).unwrap();
                let is_test = is_only_for_tests(&file.attrs) || self.declared_for_tests(&own);
                if !is_test && path.file_name().is_some_and(|name| name != "main.rs") {
                    self.modules.insert(own, file);
                }
            }
        }
    }

    /// Whether the parent declares the module below `#[cfg(test)]`.
    fn declared_for_tests(&self, module: &Module) -> bool {
        let Some((name, parent)) = module.split_last() else { return false };
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(parent.join("/"));
        let beside = folder.with_extension("rs");
        let text = fs::read_to_string(folder.join("mod.rs"))
            .or_else(|_| fs::read_to_string(folder.join("lib.rs")))
            .or_else(|_| fs::read_to_string(beside))
            .unwrap();
        syn::parse_file(&text).unwrap().items.iter().any(|item| match item {
            syn::Item::Mod(item) => item.ident == name && is_only_for_tests(&item.attrs),
            _ => false,
        })
    }

    /// The module that has what a path names, through what modules show of others.
    fn owner(&self, names: &BTreeMap<Module, Names>, path: &[String], depth: usize) -> Module {
        let longest = (0..=path.len()).rev().find(|&n| self.modules.contains_key(&path[..n]));
        let module = path[..longest.unwrap_or_default()].to_vec();
        let Some(item) = path.get(module.len()).filter(|_| depth > 0) else { return module };
        let Some(own) = names.get(&module) else { return module };
        if let Some(target) = own.shown.get(item) {
            let mut onward = target.clone();
            onward.extend_from_slice(&path[module.len() + 1..]);
            return self.owner(names, &onward, depth - 1);
        }
        for glob in &own.globs {
            let mut onward = glob.clone();
            onward.push(item.clone());
            let found = self.owner(names, &onward, depth - 1);
            if self.defines(&found, item) {
                return found;
            }
        }
        module
    }

    fn defines(&self, module: &Module, name: &str) -> bool {
        let idents = |item: &syn::Item| match item {
            syn::Item::Const(item) => Some(item.ident.to_string()),
            syn::Item::Enum(item) => Some(item.ident.to_string()),
            syn::Item::Fn(item) => Some(item.sig.ident.to_string()),
            syn::Item::Static(item) => Some(item.ident.to_string()),
            syn::Item::Struct(item) => Some(item.ident.to_string()),
            syn::Item::Trait(item) => Some(item.ident.to_string()),
            syn::Item::Type(item) => Some(item.ident.to_string()),
            _ => None,
        };
        let Some(file) = self.modules.get(module) else { return false };
        file.items.iter().filter_map(idents).any(|ident| ident == name)
    }

    /// Which file uses which.
    fn uses(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let names: BTreeMap<Module, Names> = self
            .modules
            .iter()
            .map(|(module, file)| {
                let mut reader = Reader { module: module.clone(), names: Names::default() };
                reader.visit_file(file);
                (module.clone(), reader.names)
            })
            .collect();
        names
            .iter()
            .map(|(module, own)| {
                let used = own.paths.iter().map(|path| self.owner(&names, path, 8));
                (module.clone(), used.filter(|other| other != module).collect())
            })
            .collect()
    }
}

struct Reader {
    module: Module,
    names: Names,
}

impl Reader {
    /// A path from the crate's root; none where it leads to another crate.
    fn absolute(&self, path: &[String]) -> Option<Module> {
        let mut base = match path.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("self" | "super") => self.module.clone(),
            _ => return None,
        };
        let mut rest = path;
        while let Some((first, others)) = rest.split_first() {
            match first.as_str() {
                "crate" | "self" => {}
                "super" => drop(base.pop()),
                _ => break,
            }
            rest = others;
        }
        base.extend_from_slice(rest);
        Some(base)
    }

    fn tree(&mut self, before: &[String], tree: &syn::UseTree, shows: bool) {
        let with = |name: String| [before, &[name]].concat();
        match tree {
            syn::UseTree::Path(path) => {
                self.tree(&with(path.ident.to_string()), &path.tree, shows);
            }
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.tree(before, tree, shows));
            }
            syn::UseTree::Glob(_) => self.named(before, None, shows),
            syn::UseTree::Name(name) if name.ident == "self" => {
                let shown = before.last().cloned();
                self.named(before, shown, shows);
            }
            syn::UseTree::Name(name) => {
                let name = name.ident.to_string();
                self.named(&with(name.clone()), Some(name), shows);
            }
            syn::UseTree::Rename(rename) => {
                let path = with(rename.ident.to_string());
                self.named(&path, Some(rename.rename.to_string()), shows);
            }
        }
    }

    fn named(&mut self, path: &[String], shown: Option<String>, shows: bool) {
        // What a module shows of its own children begins with their names.
        let absolute = self
            .absolute(path)
            .or_else(|| shows.then(|| [self.module.clone(), path.to_vec()].concat()));
        let Some(absolute) = absolute else { return };
        match (shows, shown) {
            (true, Some(name)) => drop(self.names.shown.insert(name, absolute)),
            (true, None) => drop(self.names.globs.insert(absolute)),
            (false, _) => drop(self.names.paths.insert(absolute)),
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !is_only_for_tests(attributes) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let shows = !matches!(item.vis, syn::Visibility::Inherited);
        self.tree(&[], &item.tree, shows);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> =
            path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1
            && let Some(absolute) = self.absolute(&segments)
        {
            self.names.paths.insert(absolute);
        }
        syn::visit::visit_path(self, path);
    }
}

fn is_only_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
    })
}

fn room(module: &Module) -> &str {
    module.first().map_or("lib", String::as_str)
}

fn show(module: &Module) -> String {
    module.join("/")
}

fn source() -> Source {
    Source::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

#[test]
fn every_room_has_its_place() {
    let order: BTreeSet<&str> = ROOMS.iter().chain(LEAVES).copied().collect();
    let source = source();
    let there: BTreeSet<&str> = source.modules.keys().map(room).filter(|r| *r != "lib").collect();
    assert_eq!(there, order);
}

#[test]
fn a_room_uses_only_rooms_below_it() {
    let order: Vec<&str> = ROOMS.iter().chain(LEAVES).copied().collect();
    let place = |module: &Module| order.iter().position(|name| *name == room(module));
    let mut wrong = String::new();
    for (module, used) in source().uses() {
        for other in &used {
            if let (Some(from), Some(to)) = (place(&module), place(other))
                && to < from
            {
                writeln!(wrong, "{} uses {}", show(&module), show(other)).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "rooms above are used:\n{wrong}");
}

#[test]
fn files_within_a_room_form_no_circle() {
    let uses = source().uses();
    let mut circles = circles(&uses);
    circles.retain(|circle| {
        let mut names: Vec<String> = circle.iter().map(show).collect();
        names.sort();
        !RECURSIONS.iter().any(|recursion| names == *recursion)
    });
    let mut text = String::new();
    for circle in &circles {
        writeln!(text, "a circle:").unwrap();
        for module in circle {
            let used = uses[module].iter().filter(|other| circle.contains(other));
            let used: Vec<String> = used.map(show).collect();
            writeln!(text, "  {} uses {}", show(module), used.join(", ")).unwrap();
        }
    }
    assert!(circles.is_empty(), "{text}");
}

/// Sets of more than one module of which each leads to each, by Tarjan's algorithm.
fn circles(uses: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<Vec<Module>> {
    #[derive(Default)]
    struct State<'a> {
        number: BTreeMap<&'a Module, usize>,
        low: BTreeMap<&'a Module, usize>,
        stack: Vec<&'a Module>,
        found: Vec<Vec<Module>>,
    }
    fn go<'a>(
        module: &'a Module,
        uses: &'a BTreeMap<Module, BTreeSet<Module>>,
        state: &mut State<'a>,
    ) {
        let number = state.number.len();
        state.number.insert(module, number);
        state.low.insert(module, number);
        state.stack.push(module);
        for next in uses.get(module).into_iter().flatten().filter(|n| room(n) == room(module)) {
            if !state.number.contains_key(next) {
                go(next, uses, state);
                let low = state.low[next].min(state.low[module]);
                state.low.insert(module, low);
            } else if state.stack.contains(&next) {
                let low = state.number[next].min(state.low[module]);
                state.low.insert(module, low);
            }
        }
        if state.low[module] == number {
            let from = state.stack.iter().position(|m| *m == module).unwrap();
            let set: Vec<Module> = state.stack.drain(from..).cloned().collect();
            if set.len() > 1 {
                state.found.push(set);
            }
        }
    }
    let mut state = State::default();
    for module in uses.keys() {
        if !state.number.contains_key(module) {
            go(module, uses, &mut state);
        }
    }
    state.found
}
