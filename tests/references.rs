//! What a comment refers to is there: each rule by its number, each document by its name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_rule_that_the_sources_name_stands_in_the_protocol() {
    let stated = stated_rules(&read("docs/protocol.md"));
    let mut wrong = Vec::new();
    let mut named = BTreeSet::new();
    for path in files(&[
        "src", "tests", "__test__", "docs", "chaos", "demo", "support",
    ]) {
        for (line, rule) in rules(&read(&path)) {
            if !stated.contains(&rule) {
                wrong.push(format!("{path}:{line}: {rule}"));
            }
            named.insert(rule);
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    assert_eq!(named, stated, "nothing else was looked at");
}

#[test]
fn every_document_that_the_sources_name_is_there() {
    let mut wrong = Vec::new();
    let mut known = 0;
    for path in files(&[
        "src", "tests", "__test__", "chaos", "demo", "scripts", "support",
    ]) {
        for (line, document) in documents(&read(&path)) {
            let beside = root().join(&path).with_file_name(&document);
            match root().join(&document).exists() || beside.exists() {
                true => known += 1,
                false => wrong.push(format!("{path}:{line}: {document}")),
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    assert!(known > 0);
}

#[test]
fn a_reference_to_nothing_is_noticed() {
    let stated =
        stated_rules("rules R1 to R12\n**R1, windows.** Say\n**R4 and R5, stepping down.**");
    assert_eq!(stated, BTreeSet::from(["R1", "R4", "R5"].map(String::from)));
    let named = rules("// R4 of R2,\nlet CR3 = R1x;\nRule::R7");
    assert_eq!(
        named,
        [(1, "R4".into()), (1, "R2".into()), (3, "R7".into())]
    );
    let named = documents("//! see docs/protocol.md, `NONE.md`\nreadme.mdx, DESIGN's figures");
    let expected = [(1, "docs/protocol.md"), (1, "NONE.md"), (2, "DESIGN")];
    assert_eq!(named, expected.map(|(line, name)| (line, name.to_owned())));
}

/// The rules that a paragraph begins with.
fn stated_rules(protocol: &str) -> BTreeSet<String> {
    let paragraphs = protocol.lines().filter_map(|line| line.strip_prefix("**R"));
    paragraphs
        .filter_map(|line| line.split_once("**"))
        .flat_map(|(title, _)| rules(&format!("R{title}")))
        .map(|(_, rule)| rule)
        .collect()
}

/// Each `R` with a number that is a word of its own, with its line.
fn rules(text: &str) -> Vec<(usize, String)> {
    let is_rule = |word: &str| {
        word.strip_prefix('R')
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    words(text, |c| c.is_alphanumeric() || c == '_')
        .filter(|(_, word)| is_rule(word))
        .collect()
}

/// The paths of documents, with their lines; and the name of one that was never published, which had
/// no ending where it was named.
fn documents(text: &str) -> Vec<(usize, String)> {
    words(text, |c| c.is_alphanumeric() || "_-./".contains(c))
        .map(|(line, word)| (line, word.trim_end_matches('.').to_owned()))
        .filter(|(_, word)| word.ends_with(".md") && word != ".md" || word == "DESIGN")
        .collect()
}

fn words(
    text: &str,
    is_part: impl Fn(char) -> bool + Copy,
) -> impl Iterator<Item = (usize, String)> {
    (1..).zip(text.lines()).flat_map(move |(line, text)| {
        text.split(move |c| !is_part(c))
            .filter(|word| !word.is_empty())
            .map(move |word| (line, word.to_owned()))
    })
}

fn files(folders: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &mut found);
    }
    let this = Path::new(file!());
    let paths = found.iter().map(|file| file.strip_prefix(root()).unwrap());
    // Its own examples name what is not there.
    let others = paths.filter(|path| *path != this);
    others
        .map(|path| path.to_string_lossy().into_owned())
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    const READ: [&str; 7] = ["rs", "lua", "ts", "mjs", "js", "md", "c"];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        if path.is_dir() {
            collect(&path, files);
        } else if ending.is_some_and(|ending| READ.contains(&ending)) {
            files.push(path);
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
