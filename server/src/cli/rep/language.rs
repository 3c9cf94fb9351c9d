//! The language in which `fieldpool rep` speaks to people.

/// Chinese or English.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Language {
    /// English
    En,
    /// 中文
    Zh,
}

impl Language {
    /// What the environment asks for; English if it says nothing.
    pub(super) fn of_environment() -> Self {
        let language = ["FIELDPOOL_LANG", "LC_ALL", "LANG"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        if language.is_some_and(|language| language.starts_with("zh")) {
            Self::Zh
        } else {
            Self::En
        }
    }

    /// The one of the two that is meant.
    pub(super) fn pick<T>(self, english: T, chinese: T) -> T {
        match self {
            Self::En => english,
            Self::Zh => chinese,
        }
    }

    /// The other one.
    pub(super) fn other(self) -> Self {
        self.pick(Self::Zh, Self::En)
    }
}
