//! The two languages a demonstration is told in.

/// Which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Language {
    /// 中文
    Zh,
    /// English
    En,
}

impl Language {
    /// The terminal's, by the variables that `rep` looks at; English if they say nothing.
    pub(crate) fn of_terminal() -> Self {
        let said = ["FIELDPOOL_LANG", "LC_ALL", "LANG"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        if said.is_some_and(|language| language.starts_with("zh")) {
            Self::Zh
        } else {
            Self::En
        }
    }

    /// The text in this language, of a pair with the Chinese first.
    pub(crate) const fn of(self, pair: (&'static str, &'static str)) -> &'static str {
        match self {
            Self::Zh => pair.0,
            Self::En => pair.1,
        }
    }
}
