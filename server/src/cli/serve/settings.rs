//! What an operator may set: by flag, by environment, or in a file. A flag counts more than the environment, the
//! environment more than the file, and what none of them says has a default.
//!
//! A key that the file should not have is refused by name: a typing error that is silently ignored is found in an
//! incident. Messages name keys and lines and never quote the file, which may hold a password.

use std::{
    fs,
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{
    cli::{Target, Usage},
    config::{Config, Network, TlsFiles},
};

/// One line each: how it is written on the command line, in the environment, in the file; its default.
pub(super) const TABLE: &str = "\
Settings, each by flag, environment or file (TOML); a flag counts more than the environment, that more than the file:

  flag               environment                file key         default
  --config           FIELDPOOL_CONFIG           -                none
  --data             FIELDPOOL_DATA             data             none: say this or database_url
  --database-url     FIELDPOOL_DATABASE_URL     database_url     none
  --listen           FIELDPOOL_LISTEN           listen           127.0.0.1:8420
  --tls-certificate  FIELDPOOL_TLS_CERTIFICATE  tls_certificate  none: plain HTTP
  --tls-key          FIELDPOOL_TLS_KEY          tls_key          none
  --trusted-proxy    FIELDPOOL_TRUSTED_PROXY    trusted_proxy    none: no header is believed
  --connections-max  FIELDPOOL_CONNECTIONS_MAX  connections_max  10240
  --syncs-max        FIELDPOOL_SYNCS_MAX        syncs_max        64
  -                  FIELDPOOL_LOG              -                info

Paths in the file are seen from the file's folder. Example:

  data = \"/var/lib/fieldpool\"
  listen = \"0.0.0.0:443\"
  tls_certificate = \"/etc/fieldpool/certificate.pem\"
  tls_key = \"/etc/fieldpool/key.pem\"

SIGHUP reads the certificate files again. docs/OPERATIONS.md says how to run it for real.";

/// The settings that only `serve` has.
#[derive(clap::Args, Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    #[arg(skip)]
    data: Option<PathBuf>,
    #[arg(skip)]
    database_url: Option<String>,
    /// Where to listen; port 0 picks a free port [default: 127.0.0.1:8420]
    #[arg(long, value_name = "ADDRESS", env = "FIELDPOOL_LISTEN")]
    listen: Option<SocketAddr>,
    /// Certificate (PEM, the server's own first): the server speaks TLS itself; with --tls-key
    #[arg(long, value_name = "FILE", env = "FIELDPOOL_TLS_CERTIFICATE")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", env = "FIELDPOOL_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Address or network of a proxy before this server, whose X-Forwarded-For is believed; may be repeated
    #[arg(long, value_name = "ADDRESS", env = "FIELDPOOL_TRUSTED_PROXY", value_delimiter = ',')]
    #[serde(deserialize_with = "networks")]
    trusted_proxy: Option<Vec<Network>>,
    /// Open connections at most; further ones wait [default: 10240]
    #[arg(long, value_name = "N", env = "FIELDPOOL_CONNECTIONS_MAX")]
    connections_max: Option<NonZeroUsize>,
    /// Syncs at work at the same time at most [default: 64]
    #[arg(long, value_name = "N", env = "FIELDPOOL_SYNCS_MAX")]
    syncs_max: Option<NonZeroUsize>,
}

impl Settings {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Usage`] that names the file, the line and what is wrong.
    pub(super) fn read(file: &Path) -> Result<Self, Usage> {
        let place = file.display();
        let text = fs::read_to_string(file).map_err(|error| {
            Usage(format!(
                "the settings in {place} cannot be read: {error}; check --config"
            ))
        })?;
        let mut settings: Self = toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            // Its first line: some go on with a quotation of the file.
            let reason = error.message().lines().next().unwrap_or_default().to_owned();
            Usage(format!("{place}, line {line}: {reason}"))
        })?;
        let folder = file.parent().unwrap_or(Path::new(""));
        for path in [&mut settings.data, &mut settings.tls_certificate, &mut settings.tls_key] {
            *path = path.take().map(|path| folder.join(path));
        }
        Ok(settings)
    }

    /// These, and where they say nothing those of the file.
    pub(super) fn or(self, file: Self) -> Self {
        Self {
            data: self.data.or(file.data),
            database_url: self.database_url.or(file.database_url),
            listen: self.listen.or(file.listen),
            tls_certificate: self.tls_certificate.or(file.tls_certificate),
            tls_key: self.tls_key.or(file.tls_key),
            trusted_proxy: self.trusted_proxy.or(file.trusted_proxy),
            connections_max: self.connections_max.or(file.connections_max),
            syncs_max: self.syncs_max.or(file.syncs_max),
        }
    }

    /// The database: what the command line says of it as a whole, otherwise what the file says. A folder on the command
    /// line is not outdone by a URL in the file.
    pub(super) fn target(&self, said: Target) -> Target {
        if said.data.is_some() || said.database_url.is_some() {
            return said;
        }
        Target {
            data: self.data.clone(),
            database_url: self.database_url.clone(),
        }
    }

    /// What the server is started with.
    ///
    /// # Errors
    /// [`Usage`] where only one half of TLS is given.
    pub(super) fn config(self) -> Result<Config, Usage> {
        let mut config = Config::default();
        config.tls = match (self.tls_certificate, self.tls_key) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            (Some(_), None) => {
                return Err(Usage(
                    "--tls-certificate needs --tls-key, the key that belongs to it".into(),
                ));
            }
            (None, Some(_)) => return Err(Usage("--tls-key needs --tls-certificate, to which it belongs".into())),
        };
        config.listen = self.listen.unwrap_or(config.listen);
        config.trusted_proxies = self.trusted_proxy.unwrap_or_default().into();
        let limits = &mut config.limits;
        limits.connections_max = self.connections_max.unwrap_or(limits.connections_max);
        limits.syncs_max = self.syncs_max.unwrap_or(limits.syncs_max);
        Ok(config)
    }
}

/// One network as text, or several.
fn networks<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Option<Vec<Network>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Texts {
        One(String),
        Several(Vec<String>),
    }
    let texts = match Texts::deserialize(source)? {
        Texts::One(text) => vec![text],
        Texts::Several(texts) => texts,
    };
    let networks: Result<Vec<Network>, _> = texts.iter().map(|text| text.parse()).collect();
    networks.map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use clap::{Args, CommandFactory, FromArgMatches};

    use super::*;

    fn flags(words: &[&str]) -> Settings {
        let command = Settings::augment_args(clap::Command::new("serve"));
        let matches = command.get_matches_from([&["serve"], words].concat());
        Settings::from_arg_matches(&matches).unwrap()
    }

    fn file(text: &str) -> Result<Settings, Usage> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("fieldpool.toml");
        fs::write(&file, text).unwrap();
        Settings::read(&file)
    }

    #[test]
    fn a_flag_counts_more_than_the_file_and_the_file_more_than_the_default() {
        let from_file = || file("listen = \"127.0.0.1:1\"\nsyncs_max = 7").unwrap();
        let config = flags(&["--listen", "127.0.0.1:2"]).or(from_file()).config().unwrap();
        assert_eq!(config.listen, "127.0.0.1:2".parse().unwrap());
        assert_eq!(config.limits.syncs_max.get(), 7);
        let config = flags(&[]).or(from_file()).config().unwrap();
        assert_eq!(config.listen, "127.0.0.1:1".parse().unwrap());
        let config = flags(&[]).or(Settings::default()).config().unwrap();
        assert_eq!(config.listen, "127.0.0.1:8420".parse().unwrap());
        assert_eq!(config.limits.connections_max.get(), 10_240);
    }

    #[test]
    fn a_folder_on_the_command_line_is_not_outdone_by_a_url_in_the_file() {
        let settings = file("database_url = \"postgres://x\"").unwrap();
        let said = Target {
            data: Some("here".into()),
            database_url: None,
        };
        assert_eq!(settings.target(said).database_url, None);
        let nothing = Target {
            data: None,
            database_url: None,
        };
        assert_eq!(settings.target(nothing).database_url.as_deref(), Some("postgres://x"));
    }

    #[test]
    fn what_the_file_should_not_have_is_refused_by_name_and_line_without_quoting_it() {
        let unknown = file("listen = \"127.0.0.1:1\"\nlisten_port = 5").unwrap_err().0;
        assert!(
            unknown.contains("line 2") && unknown.contains("listen_port"),
            "{unknown}"
        );
        assert!(
            unknown.contains("connections_max"),
            "it says which there are: {unknown}"
        );
        for text in [
            "listen = 5",
            "syncs_max = 0",
            "listen = \"secret\"",
            "database_url = [\"secret\"]",
            "database_url = \"secret",
            "tls_key",
            "trusted_proxy = [\"proxy.example\"]",
        ] {
            let refused = file(text).unwrap_err().0;
            assert!(refused.contains("line 1"), "{text}: {refused}");
            assert!(!refused.contains("secret"), "{text}: {refused}");
        }
        let missing = Settings::read(Path::new("/nowhere/fieldpool.toml")).unwrap_err().0;
        assert!(
            missing.contains("/nowhere/fieldpool.toml") && missing.contains("--config"),
            "{missing}"
        );
    }

    #[test]
    fn paths_in_the_file_are_seen_from_its_folder() {
        let settings = file("data = \"data\"\ntls_key = \"/etc/key.pem\"").unwrap();
        assert!(settings.data.unwrap().is_absolute());
        assert_eq!(settings.tls_key.unwrap(), Path::new("/etc/key.pem"));
    }

    #[test]
    fn half_of_tls_is_wrong_usage() {
        for (half, other) in [("--tls-key", "--tls-certificate"), ("--tls-certificate", "--tls-key")] {
            let refused = flags(&[half, "x.pem"]).config().unwrap_err().0;
            assert!(refused.contains(half) && refused.contains(other), "{refused}");
        }
    }

    #[test]
    fn proxies_are_read_from_all_three_places_alike() {
        let expected: Vec<Network> = vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        let from_flags = flags(&["--trusted-proxy", "10.0.0.0/8", "--trusted-proxy", "::1"]);
        assert_eq!(from_flags.trusted_proxy.as_ref(), Some(&expected));
        assert_eq!(flags(&["--trusted-proxy", "10.0.0.0/8,::1"]), from_flags);
        assert_eq!(file("trusted_proxy = [\"10.0.0.0/8\", \"::1\"]").unwrap(), from_flags);
        let one = file("trusted_proxy = \"10.0.0.0/8\"").unwrap().trusted_proxy.unwrap();
        assert_eq!(one, expected[..1]);
    }

    #[test]
    fn the_table_of_the_help_names_every_setting_there_is() {
        let mut command = crate::cli::Arguments::command();
        let serve = command.find_subcommand_mut("serve").unwrap();
        for argument in serve.get_arguments().filter(|argument| argument.get_id() != "help") {
            let flag = argument.get_long().unwrap();
            let env = argument.get_env().map_or("-", |name| name.to_str().unwrap());
            let key = if flag == "config" {
                "-".to_owned()
            } else {
                flag.replace('-', "_")
            };
            let line = TABLE.lines().find(|line| line.contains(&format!("  --{flag} ")));
            let words: Vec<&str> = line
                .unwrap_or_else(|| panic!("{flag} is not in the table"))
                .split_whitespace()
                .collect();
            assert_eq!(words[1], env, "{flag}");
            assert_eq!(words[2], key, "{flag}");
        }
    }
}
