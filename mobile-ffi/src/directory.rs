//! The directory: names of people, pools and teams, stages and tiers, as the server sent them last.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sync_core::ids::{PoolId, UserId};

/// The organisation's directory as this phone knows it.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    json: Value,
    people: BTreeMap<String, (String, String)>,
}

impl Directory {
    /// Reads the server's JSON; anything else is an empty directory.
    #[must_use]
    pub fn read(bytes: Option<&[u8]>) -> Self {
        let json: Value = bytes
            .and_then(|bytes| serde_json::from_slice(bytes).ok())
            .unwrap_or_default();
        let mut directory = Self {
            json,
            people: BTreeMap::new(),
        };
        let people = directory.json.get("people").and_then(Value::as_array).cloned();
        for person in people.unwrap_or_default() {
            directory.add(&person);
        }
        directory
    }

    /// Adds a person, `{"id","login","name"}`.
    pub fn add(&mut self, person: &Value) {
        let word = |key: &str| person.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        self.people.insert(word("id"), (word("login"), word("name")));
    }

    /// A person as `{"id","login","name"}`; with empty words for one this phone has not heard of.
    #[must_use]
    pub fn person(&self, user: UserId) -> Value {
        let known = self.people.get(&user.to_string());
        let (login, name) = known.map_or(("", ""), |(login, name)| (login, name));
        json!({"id": user, "login": login, "name": name})
    }

    /// As [`Self::person`], null for nobody.
    #[must_use]
    pub fn person_or_null(&self, user: Option<UserId>) -> Value {
        user.map_or(Value::Null, |user| self.person(user))
    }

    /// A pool's name.
    #[must_use]
    pub fn pool_name(&self, pool: PoolId) -> Option<&str> {
        let pools = self.json.get("pools")?.as_array()?;
        let id = pool.to_string();
        pools
            .iter()
            .find(|known| known.get("id").and_then(Value::as_str) == Some(&id))?
            .get("name")?
            .as_str()
    }

    /// The whole directory.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.json
    }
}
