//! docs/windows.md and docs/unix.md: what they name is there.

use std::{fs, path::Path};

/// Returns what stands between backticks in a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[test]
fn every_fact_about_windows_names_tests_that_exist() {
    names_tests_that_exist("docs/windows.md", 50);
}

#[test]
fn every_fact_about_unix_names_tests_that_exist() {
    names_tests_that_exist("docs/unix.md", 25);
}

fn names_tests_that_exist(facts: &str, at_least: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let facts = fs::read_to_string(root.join(facts)).unwrap();
    let mut count = 0;
    for (file, test) in facts.lines().flat_map(quoted).filter_map(|name| name.split_once("::")) {
        let source = fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(source.contains(&format!("fn {test}(")), "{file} has no {test}");
        count += 1;
    }
    assert!(count > at_least, "{count}");
}

#[test]
fn every_fact_has_a_source_and_says_what_shows_it() {
    for facts in ["docs/windows.md", "docs/unix.md"] {
        has_a_source_and_says_what_shows_it(facts);
    }
}

fn has_a_source_and_says_what_shows_it(facts: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let facts = fs::read_to_string(root.join(facts)).unwrap();
    let rows = facts.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| fact |"));
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert!(cells.len() == 3 && cells.iter().all(|cell| !cell.is_empty()), "{row}");
    }
}
