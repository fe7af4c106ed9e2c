//! Names: what can be one, and how one is made of several.

use super::ConfigError;

/// 1 to 200 characters without control characters or braces: the name stands between braces in a
/// key, where they mark the hash slot.
pub fn check_name(field: &'static str, name: &str) -> Result<(), ConfigError> {
    let length = name.chars().count();
    let allowed = |c: char| !c.is_control() && c != '{' && c != '}';
    if (1..=LONGEST).contains(&length) && name.chars().all(allowed) {
        return Ok(());
    }
    refuse(field, name, length)
}

/// The one name that several parts have in the store. Between two parts stands a colon; within one, a
/// colon is written `%3A` and a percent sign `%25`, so that different parts never have the same name.
/// A part that has neither stands there as it is.
///
/// Together the parts, which have been checked, are as long as a name may be.
pub fn compose(field: &'static str, parts: &[&str]) -> Result<String, ConfigError> {
    let length = parts
        .iter()
        .map(|part| part.chars().count() + 1)
        .sum::<usize>()
        - 1;
    if length > LONGEST {
        return refuse(field, &parts.join(":"), length);
    }
    let escaped = parts
        .iter()
        .map(|part| part.replace('%', "%25").replace(':', "%3A"));
    Ok(escaped.collect::<Vec<_>>().join(":"))
}

/// The name of an election in the store.
pub fn election_name(prefix: &str, scope: Option<&str>) -> Result<String, ConfigError> {
    check_name("prefix", prefix)?;
    match scope {
        Some(scope) => {
            check_name("scope", scope)?;
            compose("prefix with its scope", &[prefix, scope])
        }
        None => compose("prefix", &[prefix]),
    }
}

fn refuse<T>(field: &'static str, name: &str, length: usize) -> Result<T, ConfigError> {
    let shown: String = name.chars().take(40).collect();
    Err(ConfigError {
        field,
        value: format!("{shown:?} ({length} characters)"),
        rule: format!("1 to {LONGEST} characters without control characters or braces"),
    })
}

const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn names_are_1_to_200_characters_without_control_characters_or_braces() {
        for good in ["a", "embedder", "with space:and/slash", &"ü".repeat(200)] {
            assert_eq!(check_name("prefix", good), Ok(()));
        }
        for bad in ["", "a{b", "}ab", "a\nb", "a\0b", "\u{7f}", &"a".repeat(201)] {
            let field = check_name("prefix", bad).unwrap_err().field;
            assert_eq!(field, "prefix", "{bad:?}");
        }
    }

    #[test]
    fn a_colon_stands_between_parts_alone() {
        let composed = |parts: &[&str]| compose("name", parts).unwrap();
        assert_eq!(composed(&["team", "mail:send"]), "team:mail%3Asend");
        assert_eq!(composed(&["team:mail", "send"]), "team%3Amail:send");
        assert_eq!(composed(&["team:mail:send"]), "team%3Amail%3Asend");
        assert_eq!(composed(&["100%3A"]), "100%253A");
        assert_eq!(composed(&["plain name/ü"]), "plain name/ü");
    }

    #[test]
    fn different_parts_never_have_the_same_name() {
        let letters = ["a", ":", "%", "3A", "25"];
        let words: Vec<String> = letters
            .iter()
            .flat_map(|a| {
                letters
                    .iter()
                    .flat_map(move |b| letters.map(|c| format!("{a}{b}{c}")))
            })
            .chain(letters.map(String::from))
            .collect();
        let mut named = HashMap::new();
        let alone = words.iter().map(|word| vec![word.as_str()]);
        let pairs = words
            .iter()
            .flat_map(|one| words.iter().map(move |other| vec![one.as_str(), other]));
        for parts in alone.chain(pairs) {
            let parts: Vec<String> = parts.into_iter().map(String::from).collect();
            let given: Vec<&str> = parts.iter().map(String::as_str).collect();
            let name = compose("name", &given).unwrap();
            let before = named.insert(name.clone(), parts.clone());
            assert!(before.is_none_or(|before| before == parts), "{name}");
        }
    }

    #[test]
    fn together_the_parts_are_as_long_as_a_name() {
        let [half, rest] = ["x".repeat(100), "x".repeat(99)];
        // What is written longer than it was given is no reason.
        assert!(compose("both", &[&half, &":".repeat(99)]).is_ok());
        assert!(compose("both", &[&half, &rest]).is_ok());
        let refusal = compose("both", &[&half, &half]).unwrap_err().to_string();
        assert!(refusal.contains("both must be 1 to 200"), "{refusal}");
        assert!(refusal.contains("(201 characters)"), "{refusal}");
    }
}
