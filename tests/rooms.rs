//! The direction of imports between the rooms, and the crates that each room may know.
//!
//! election ◄ store ◄ driver ◄ binding: a room imports those to its left and itself, its files not each other in
//! a circle. Unsafe code has its place too.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const ROOMS: [&str; 4] = ["election", "store", "driver", "binding"];

/// Crates that only one room knows; `election` knows none at all.
const KEPT_BY: [(&str, &str); 3] = [
    ("redis", "store"),
    ("napi", "binding"),
    ("napi_derive", "binding"),
];

#[test]
fn rooms_import_only_the_rooms_to_their_left() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = dependencies(&fs::read_to_string(root.join("Cargo.toml")).unwrap());
    assert!(crates.iter().any(|name| name == "tokio"), "{crates:?}");
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    let found: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let path = file.strip_prefix(root).unwrap().to_string_lossy();
            violations(&path, &fs::read_to_string(file).unwrap(), &crates)
        })
        .collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn an_import_that_runs_backward_is_found_wherever_it_hides() {
    let crates: Vec<String> = ["tokio", "redis", "napi"].map(String::from).to_vec();
    for (path, source) in [
        ("src/election/a.rs", "use crate::store::Store;"),
        (
            "src/election/a.rs",
            "use crate::{election::Time, store::{self, Target}};",
        ),
        ("src/election/a.rs", "use super::super::driver;"),
        ("src/election/mod.rs", "use super::{store};"),
        (
            "src/election/a/b.rs",
            "fn f() { crate\n  ::\n  binding::g() }",
        ),
        (
            "src/election/a.rs",
            "mod tests { use super::super::super::store::Store; }",
        ),
        ("src/election/a.rs", "use primary_lease::store;"),
        ("src/election/a.rs", "use crate::*;"),
        ("src/election/a.rs", "use tokio::sync::mpsc;"),
        ("src/election/a.rs", "#[tokio::test] async fn f() {}"),
        ("src/election/a.rs", "fn f() -> ::tokio::time::Instant {}"),
        ("src/store/a.rs", "use crate::driver::Clock;"),
        (
            "src/store/a.rs",
            "/* // */ let a = \"\\\"\"; let b = '\"'; crate::binding::f();",
        ),
        ("src/store/a.rs", "use napi as n;"),
        ("src/driver/a.rs", "use crate::{store::Store, binding};"),
        ("src/driver/a.rs", "use redis::Client;"),
        ("src/binding/a.rs", "use redis::Client;"),
        ("src/election/tests/a.rs", "use crate::driver::now;"),
    ] {
        let found = violations(path, source, &crates);
        assert_eq!(found.len(), 1, "{path}: {source}\n{found:?}");
    }
}

#[test]
fn imports_that_run_forward_are_left_alone() {
    let crates: Vec<String> = ["tokio", "redis", "napi"].map(String::from).to_vec();
    for (path, source) in [
        ("src/lib.rs", "pub mod election; pub mod store;"),
        (
            "src/election/a.rs",
            "use super::{Time, b::C}; use crate::election::D; use std::fmt;",
        ),
        (
            "src/election/a.rs",
            "// crate::store\n/* /* */ crate::store */ let s = \"crate::store\";",
        ),
        (
            "src/election/a.rs",
            "let s = r#\"\" crate::store\"#; fn f<'a>(a: &'a str) {}",
        ),
        (
            "src/election/a.rs",
            "mod tests { use super::*; use super::super::Time; }",
        ),
        (
            "src/store/a.rs",
            "use crate::election::Reply; use redis::Value; use tokio::net::TcpStream;",
        ),
        (
            "src/driver/a.rs",
            "use crate::store::Store; fn f(redis: u8) -> u8 { redis }",
        ),
        (
            "src/binding/a.rs",
            "use crate::{driver, election, store}; use napi::Env;",
        ),
        (
            "src/election/a.rs",
            "pub(crate) mod b; pub(crate) use b::c;",
        ),
        ("src/election/tests/a.rs", "use crate::store::Register;"),
    ] {
        assert_eq!(
            violations(path, source, &crates),
            [""; 0],
            "{path}: {source}"
        );
    }
}

/// The one file that may be unsafe, and knows the raw Node-API.
const RAW: &str = "src/binding/node.rs";

#[test]
fn one_file_is_unsafe_and_knows_the_raw_node_api() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    let found: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let path = file.strip_prefix(root).unwrap().to_string_lossy();
            raw_code(&path, &fs::read_to_string(file).unwrap())
        })
        .collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));

    for source in [
        "fn f() { unsafe { g() } }",
        "#![allow(unsafe_code)]",
        "use napi::{Env, sys};",
        "fn f() -> napi::sys::napi_value {}",
    ] {
        assert_eq!(raw_code("src/binding/a.rs", source).len(), 1, "{source}");
        assert_eq!(raw_code(RAW, source), [""; 0]);
    }
    assert_eq!(raw_code("src/store/a.rs", "// unsafe\n"), [""; 0]);
}

/// `file:line: what` for every unsafe block, every exception to the lint that denies them, and every use of
/// the raw Node-API. That each of the others says why it is sound is a lint of clippy's.
fn raw_code(path: &str, source: &str) -> Vec<String> {
    if path == RAW {
        return Vec::new();
    }
    tokens(source)
        .into_iter()
        .filter(|(text, _)| ["unsafe", "unsafe_code", "sys"].contains(&text.as_str()))
        .map(|(text, line)| format!("{path}:{line}: {text}"))
        .collect()
}

#[test]
fn no_files_of_a_room_import_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    let sources: Vec<(String, String)> = files
        .iter()
        .map(|file| {
            let path = file.strip_prefix(root).unwrap().to_string_lossy();
            (path.into_owned(), fs::read_to_string(file).unwrap())
        })
        .filter(|(path, _)| !path.contains("/tests"))
        .collect();
    let found = circles(&sources);
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn a_circle_is_found_also_through_a_re_export() {
    let circle = |files: &[(&str, &str)]| {
        let owned = |(path, source): &(&str, &str)| (path.to_string(), source.to_string());
        circles(&files.iter().map(owned).collect::<Vec<_>>())
    };
    let through = [
        (
            "src/store/mod.rs",
            "mod a; mod b; pub use a::{A, C}; use b::B;",
        ),
        ("src/store/a.rs", "use super::B;"),
        ("src/store/b.rs", "use crate::store::{C, D};"),
    ];
    assert_eq!(circle(&through), ["src/store/a.rs <-> src/store/b.rs"]);
    let direct = [
        ("src/store/a.rs", "fn f() { super::b::g() }"),
        ("src/store/b.rs", "use super::a::A;"),
        ("src/store/c.rs", "use super::a::A;"),
    ];
    assert_eq!(circle(&direct), ["src/store/a.rs <-> src/store/b.rs"]);
    // What a room's own file defines is imported from there, and what it passes on is not its own.
    let none = [
        (
            "src/store/mod.rs",
            "mod a; mod b; pub use a::A; pub trait T {}",
        ),
        ("src/store/a.rs", "use super::T;"),
        ("src/store/b.rs", "use super::{A, T};"),
    ];
    assert_eq!(circle(&none), [""; 0]);
}

#[test]
fn every_type_has_a_name_of_its_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files {
        let path = file.strip_prefix(root).unwrap().to_string_lossy();
        if !path.contains("/tests") {
            for name in types(&fs::read_to_string(&file).unwrap()) {
                owners.entry(name).or_default().push(path.to_string());
            }
        }
    }
    owners.retain(|_, files| files.len() > 1);
    assert!(owners.is_empty(), "{owners:#?}");
    assert_eq!(
        types("pub struct A; enum B {} trait C {} type D = A;"),
        ["A", "B", "C"]
    );
    assert_eq!(
        types("// struct A;\n#[cfg(test)] mod tests { struct B; }"),
        [""; 0]
    );
}

/// The types that a source defines, beside those of its tests and its aliases.
fn types(source: &str) -> Vec<String> {
    let code = source.split("mod tests {").next();
    let tokens = tokens(code.unwrap_or_default());
    tokens
        .windows(2)
        .filter(|pair| ["struct", "enum", "trait"].contains(&pair[0].0.as_str()))
        .map(|pair| pair[1].0.clone())
        .collect()
}

/// `a <-> b` for all files that reach each other by their imports.
fn circles(sources: &[(String, String)]) -> Vec<String> {
    let modules: Vec<Vec<String>> = sources.iter().map(|(path, _)| module_of(path)).collect();
    let tokens: Vec<_> = sources.iter().map(|(_, source)| tokens(source)).collect();
    // What the file of a folder passes on, by the name under which it does.
    let mut passed = Vec::new();
    for (module, tokens) in modules.iter().zip(&tokens) {
        for at in 0..tokens.len() {
            let name = tokens.get(at + 1).map_or("", |token| &token.0);
            let child: Vec<String> = module.iter().cloned().chain([name.to_string()]).collect();
            if tokens[at].0 == "use" && modules.contains(&child) {
                let mut paths = Vec::new();
                resolve(tokens, at + 1, module.clone(), &mut paths);
                for (path, _) in paths {
                    let name = path.last().cloned().unwrap_or_default();
                    passed.push(([module.clone(), vec![name]].concat(), path));
                }
            }
        }
    }
    let file_of = |path: &[String]| -> Option<usize> {
        let path = passed
            .iter()
            .find(|(name, _)| path.starts_with(name))
            .map_or(path, |(_, target)| target);
        (1..=path.len()).rev().find_map(|length| {
            modules
                .iter()
                .position(|module| module[..] == path[..length])
        })
    };
    let reached: Vec<Vec<usize>> = (0..sources.len())
        .map(|at| {
            let paths = paths_of(&tokens[at], &modules[at]);
            let files = paths.iter().filter_map(|path| file_of(path));
            files.filter(|file| *file != at).collect()
        })
        .collect();
    let reaches = |from: usize, to: usize| {
        let (mut open, mut seen) = (vec![from], vec![from]);
        while let Some(at) = open.pop() {
            for next in &reached[at] {
                if *next == to {
                    return true;
                }
                if !seen.contains(next) {
                    seen.push(*next);
                    open.push(*next);
                }
            }
        }
        false
    };
    let room = |at: usize| modules[at].first();
    let mut found = Vec::new();
    for a in 0..sources.len() {
        for b in a + 1..sources.len() {
            if room(a) == room(b) && reaches(a, b) && reaches(b, a) {
                found.push(format!("{} <-> {}", sources[a].0, sources[b].0));
            }
        }
    }
    found
}

/// The paths that a file names from the crate or from the modules above it.
fn paths_of(tokens: &[(String, usize)], module: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let after_path = at > 1 && tokens[at - 1].0 == "::" && is_name(&tokens[at - 2].0);
        let visibility = at > 1 && tokens[at - 1].0 == "(" && tokens[at - 2].0 == "pub";
        if ["crate", "super"].contains(&tokens[at].0.as_str()) && !after_path && !visibility {
            let mut paths = Vec::new();
            resolve(tokens, at, module.to_vec(), &mut paths);
            found.extend(paths.into_iter().map(|(path, _)| path));
        }
    }
    found
}

/// The module that a file is.
fn module_of(path: &str) -> Vec<String> {
    let names = path.trim_end_matches(".rs").split('/').skip(1);
    let mut module: Vec<String> = names.map(ToString::to_string).collect();
    if module.last().is_some_and(|name| name == "mod") {
        module.pop();
    }
    module
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The names that Rust sees of everything in a `[..dependencies]` section but the tests' own.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            inside = section.ends_with("dependencies]") && !section.contains("dev-");
        } else if let (true, Some((name, _))) = (inside, line.split_once('=')) {
            names.push(name.trim().replace('-', "_"));
        }
    }
    names
}

/// `file:line: what` for every import that the room of this file must not have.
fn violations(path: &str, source: &str, crates: &[String]) -> Vec<String> {
    let mut module: Vec<&str> = path.trim_end_matches(".rs").split('/').skip(1).collect();
    if module.last() == Some(&"mod") {
        module.pop();
    }
    let Some(own) = ROOMS.iter().position(|room| module.first() == Some(room)) else {
        return Vec::new();
    };
    // The simulation plays the rules against the register of the room beside them.
    let plays_the_rules = path.starts_with("src/election/tests/");
    let own = own.max(usize::from(plays_the_rules));
    let tokens = tokens(source);
    let mut found = Vec::new();
    let mut report = |line: usize, what: String| found.push(format!("{path}:{line}: {what}"));
    // Inline modules that are open, with the depth of braces at which each ends.
    let mut inline: Vec<usize> = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    while at < tokens.len() {
        let (text, line) = (&tokens[at].0[..], tokens[at].1);
        let next = tokens.get(at + 1).map_or("", |token| &token.0);
        let after_path = at > 1 && tokens[at - 1].0 == "::" && is_name(&tokens[at - 2].0);
        at += 1;
        match text {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inline.pop_if(|end| *end == depth);
            }
            "mod" if tokens.get(at + 1).is_some_and(|token| token.0 == "{") => inline.push(depth),
            // `pub(crate)` says who may see, and imports nothing.
            "crate" if at > 2 && tokens[at - 3].0 == "pub" && next == ")" => {}
            "crate" | "primary_lease" | "super" if !after_path => {
                let mut from = module.iter().map(ToString::to_string).collect::<Vec<_>>();
                from.extend(inline.iter().map(|_| "inline".to_string()));
                let mut paths = Vec::new();
                at = resolve(&tokens, at - 1, from, &mut paths);
                for (path, line) in paths {
                    match path.first().map(String::as_str) {
                        None | Some("*") => report(line, "names the whole crate".into()),
                        Some(room) => {
                            let other = ROOMS.iter().position(|name| *name == room);
                            if other.is_some_and(|other| other > own) {
                                report(line, format!("{} imports {room}", ROOMS[own]));
                            }
                        }
                    }
                }
            }
            name if !after_path && crates.iter().any(|known| known == name) => {
                let imported = at > 1 && tokens[at - 2].0 == "use";
                let keeper = KEPT_BY
                    .iter()
                    .find(|(kept, _)| *kept == name)
                    .map(|(_, room)| *room);
                let allowed = own > 0 && keeper.is_none_or(|room| room == ROOMS[own]);
                if (imported || next == "::") && !allowed {
                    report(line, format!("{} knows the crate {name}", ROOMS[own]));
                }
            }
            _ => {}
        }
    }
    // A tree may name one room twice on a line.
    found.dedup();
    found
}

/// Follows a path or a tree of them from token `at`, starting in module `here`; returns the token
/// behind it.
fn resolve(
    tokens: &[(String, usize)],
    mut at: usize,
    mut here: Vec<String>,
    paths: &mut Vec<(Vec<String>, usize)>,
) -> usize {
    let line = tokens[at].1;
    loop {
        match tokens.get(at).map(|token| token.0.as_str()) {
            Some("crate" | "primary_lease") => here.clear(),
            Some("super") => {
                here.pop();
            }
            Some("self") => {}
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.0 != "}") {
                    at = resolve(tokens, at, here.clone(), paths);
                    while tokens
                        .get(at)
                        .is_some_and(|token| token.0 != "," && token.0 != "}")
                    {
                        at += 1;
                    }
                    at += usize::from(tokens.get(at).is_some_and(|token| token.0 == ","));
                }
                return at + 1;
            }
            Some(name) => here.push(name.to_string()),
            None => return at,
        }
        at += 1;
        if tokens.get(at).is_none_or(|token| token.0 != "::") {
            paths.push((here, line));
            return at;
        }
        at += 1;
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// The words and signs of a source with their lines, without comments, strings and characters.
fn tokens(source: &str) -> Vec<(String, usize)> {
    let mut rest = source;
    let mut tokens = Vec::new();
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = raw_string(rest) {
            length
        } else if c == '"' {
            quoted(rest, '"')
        } else if c == '\'' {
            // A lifetime has no closing quote right behind its one character.
            let mut chars = rest.chars().skip(1);
            let escaped = chars.next() == Some('\\');
            if escaped || chars.next() == Some('\'') {
                quoted(rest, '\'')
            } else {
                1
            }
        } else {
            let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
            let length = match word.unwrap_or(rest.len()) {
                0 if rest.starts_with("::") => 2,
                0 => c.len_utf8(),
                length => length,
            };
            if !c.is_whitespace() {
                let line = source[..source.len() - rest.len()].matches('\n').count() + 1;
                tokens.push((rest[..length].to_string(), line));
            }
            length
        };
        rest = &rest[length..];
    }
    tokens
}

/// The length of the string or character that begins here, with its quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let hashes = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let body = hashes.trim_start_matches('#');
    let count = hashes.len() - body.len();
    let end = format!("\"{}", "#".repeat(count));
    let found = body.strip_prefix('"')?.find(&end)?;
    Some(text.len() - body.len() + 1 + found + end.len())
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match &text.as_bytes()[at..text.len().min(at + 2)] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}
