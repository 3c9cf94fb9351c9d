//! What pages say, in Chinese and English: Fluent texts by key, one file a language.
//!
//! Promises: both languages have the same keys with the same variables, and each key is used (tests below). A key that
//! is missing all the same is shown as it is, never as nothing.

use std::sync::LazyLock;

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use unic_langid::LanguageIdentifier;

use crate::http::problem::Language;

const ENGLISH: &str = include_str!("../../../i18n/en.ftl");
const CHINESE: &str = include_str!("../../../i18n/zh.ftl");

static BUNDLES: LazyLock<[FluentBundle<FluentResource>; 2]> =
    LazyLock::new(|| [bundle("en", ENGLISH), bundle("zh-CN", CHINESE)]);

/// A number that texts can hold.
pub(super) trait Count {
    /// The number.
    fn number(&self) -> i64;
}

impl Count for i64 {
    fn number(&self) -> i64 {
        *self
    }
}

impl Count for u64 {
    fn number(&self) -> i64 {
        i64::try_from(*self).unwrap_or(i64::MAX)
    }
}

impl Count for usize {
    fn number(&self) -> i64 {
        i64::try_from(*self).unwrap_or(i64::MAX)
    }
}

impl<T: Count> Count for &T {
    fn number(&self) -> i64 {
        (**self).number()
    }
}

/// The words of one language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Words(pub(super) Language);

impl Words {
    /// The text of a key.
    pub(super) fn say(self, key: &str) -> String {
        self.format(key, None)
    }

    /// The text of a key with a number, `n` in the text.
    pub(super) fn count(self, key: &str, n: impl Count) -> String {
        let mut args = FluentArgs::new();
        args.set("n", FluentValue::from(n.number()));
        self.format(key, Some(&args))
    }

    /// The text of a key with another text in it, `what` in the text.
    pub(super) fn with(self, key: &str, what: impl AsRef<str>) -> String {
        let mut args = FluentArgs::new();
        args.set("what", FluentValue::from(what.as_ref()));
        self.format(key, Some(&args))
    }

    /// The text of a key that begins with `family` and ends in a word of the data, such as `role-` and `rep`.
    pub(super) fn of(self, family: &str, word: &str) -> String {
        self.say(&[family, &word.replace('_', "-")].concat())
    }

    /// A title and a sentence after it.
    pub(super) fn join(self, title: &str, advice: &str) -> String {
        if self.is_chinese() {
            format!("{title}。{advice}")
        } else {
            format!("{title}. {advice}")
        }
    }

    /// The language as HTML names it.
    pub(super) fn tag(self) -> &'static str {
        match self.0 {
            Language::English => "en",
            Language::Chinese => "zh-CN",
        }
    }

    /// Whether it is Chinese.
    pub(super) fn is_chinese(self) -> bool {
        self.0 == Language::Chinese
    }

    fn format(self, key: &str, args: Option<&FluentArgs<'_>>) -> String {
        let bundle = &BUNDLES[usize::from(self.is_chinese())];
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
            return key.to_owned();
        };
        bundle.format_pattern(pattern, args, &mut Vec::new()).into_owned()
    }
}

// The texts are part of the program: one that cannot be read is a defect that the tests below find.
fn bundle(tag: &str, text: &str) -> FluentBundle<FluentResource> {
    let language: LanguageIdentifier = tag.parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![language]);
    // Marks around what is put in would be in the way of tests and of copying.
    bundle.set_use_isolating(false);
    // 2,000 customers, not 2,000.0; Fluent itself writes no separators.
    bundle.set_formatter(Some(write_number));
    let resource = FluentResource::try_new(text.to_owned()).unwrap_or_else(|(resource, _)| resource);
    let _ = bundle.add_resource(resource);
    bundle
}

fn write_number<M>(value: &FluentValue<'_>, _: &M) -> Option<String> {
    match value {
        FluentValue::Number(number) => Some(group_digits(number.value as i64)),
        _ => None,
    }
}

/// A number with commas between thousands, as both languages write it.
pub(super) fn group_digits(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        fs,
        path::Path,
    };

    use sync_core::{
        document::Kind,
        visibility::{Role, UserState},
    };

    use super::*;

    /// Families of keys whose ends are words of the data.
    fn families() -> Vec<(&'static str, Vec<&'static str>)> {
        let fields: BTreeSet<&str> = Kind::ALL
            .iter()
            .flat_map(|kind| kind.fields())
            .map(|field| field.key)
            .collect();
        vec![
            ("role-", Role::ALL.iter().map(|role| role.name()).collect()),
            ("person-", UserState::ALL.iter().map(|state| state.name()).collect()),
            ("people-now-", UserState::ALL.iter().map(|state| state.name()).collect()),
            ("people-to-", UserState::ALL.iter().map(|state| state.name()).collect()),
            (
                "people-sure-",
                UserState::ALL.iter().map(|state| state.name()).collect(),
            ),
            ("people-do-", UserState::ALL.iter().map(|state| state.name()).collect()),
            (
                "waits-",
                vec![
                    "no_permission",
                    "claim_lost",
                    "trial_failed",
                    "missing_deps",
                    "suspect_device",
                ],
            ),
            ("kind-", Kind::ALL.iter().map(|kind| kind.name()).collect()),
            ("field-", fields.into_iter().collect()),
            (
                "channel-",
                vec!["visit", "phone", "wechat", "email", "meeting", "other"],
            ),
            ("severity-", vec!["low", "normal", "high"]),
            ("device-", vec!["active", "revoked", "wiped"]),
            (
                "held-",
                vec![
                    "customers",
                    "opportunities_open",
                    "opportunities_closed",
                    "tasks",
                    "planned_visits",
                    "tickets",
                    "responsible_elsewhere",
                ],
            ),
            (
                "event-",
                vec![
                    "create",
                    "claim",
                    "release",
                    "assign",
                    "responsible",
                    "handover",
                    "undo_handover",
                    "erase",
                ],
            ),
            (
                "relation-",
                vec![
                    "owner",
                    "cover",
                    "collaborator",
                    "responsible",
                    "manager",
                    "pool",
                    "pool_admin",
                    "team",
                    "back_office",
                    "service",
                    "auditor",
                    "admin",
                ],
            ),
        ]
    }

    fn messages(text: &str) -> BTreeMap<String, BTreeSet<String>> {
        let mut messages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut current = String::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some((key, _)) = line.split_once(" =")
                && !line.starts_with([' ', '}', '['])
            {
                current = key.trim().to_owned();
                assert!(
                    messages.insert(current.clone(), BTreeSet::new()).is_none(),
                    "{current} is said twice"
                );
            }
            for part in line.split('$').skip(1) {
                let name: String = part.chars().take_while(char::is_ascii_alphanumeric).collect();
                messages.entry(current.clone()).or_default().insert(name);
            }
        }
        messages
    }

    #[test]
    fn both_languages_are_read_whole_and_have_the_same_keys_and_variables() {
        for text in [ENGLISH, CHINESE] {
            let resource = FluentResource::try_new(text.to_owned());
            assert!(resource.is_ok(), "{:?}", resource.err().map(|(_, errors)| errors));
        }
        let (english, chinese) = (messages(ENGLISH), messages(CHINESE));
        assert!(english.len() > 100, "{}", english.len());
        assert_eq!(english, chinese);
    }

    #[test]
    fn each_key_is_used_and_each_one_used_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut used = BTreeSet::new();
        for folder in [
            "templates",
            "src/http/dashboard",
            "src/http/dashboard/customer",
            "src/http/dashboard/handover",
        ] {
            for entry in fs::read_dir(root.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                if !path.is_file() || path.ends_with("words.rs") {
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                for call in [".say(\"", ".count(\"", ".with(\""] {
                    for part in text.split(call).skip(1) {
                        used.insert(part.split('"').next().unwrap().to_owned());
                    }
                }
            }
        }
        for (family, words) in families() {
            used.extend(words.iter().map(|word| [family, &word.replace('_', "-")].concat()));
        }
        let known: BTreeSet<String> = messages(ENGLISH).into_keys().collect();
        let missing: Vec<_> = used.difference(&known).collect();
        assert!(missing.is_empty(), "used, but not in the files: {missing:?}");
        let idle: Vec<_> = known.difference(&used).collect();
        assert!(idle.is_empty(), "in the files, but used nowhere: {idle:?}");
    }

    #[test]
    fn no_text_is_empty() {
        for words in [Words(Language::English), Words(Language::Chinese)] {
            for key in messages(ENGLISH).keys() {
                let text = words.count(key, 2_i64);
                assert!(!text.trim().is_empty(), "{key}");
            }
        }
    }

    #[test]
    fn numbers_are_written_with_commas_in_texts() {
        assert_eq!(group_digits(-1_234_567), "-1,234,567");
        assert_eq!(group_digits(999), "999");
        assert!(
            Words(Language::English)
                .count("customers-count", 3_412_i64)
                .starts_with("3,412")
        );
        assert_eq!(Words(Language::English).count("customers-count", 1_i64), "1 customer");
    }
}
