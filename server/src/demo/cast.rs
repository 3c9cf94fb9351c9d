//! The company's people: three teams, twelve reps, two managers, a back office, an administrator, and one who has left.

use serde::{Deserialize, Serialize};
use sync_core::visibility::Role;

use super::{language::Language, names::Area, texts::Pair};

/// Somebody of the company, as a demonstration's note names him.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Person {
    /// What he signs in with.
    pub(crate) login: String,
    /// His name.
    pub(crate) name: String,
    /// His name in both languages: he is found by either.
    pub(crate) also: Vec<String>,
    /// The role's name.
    pub(crate) role: String,
}

/// One of the cast.
pub(super) struct Part {
    pub(super) login: &'static str,
    pub(super) name: Pair,
    pub(super) role: Role,
    pub(super) area: Option<Area>,
    /// Has a phone that goes on working when the story is told.
    pub(super) is_live: bool,
}

const fn part(login: &'static str, name: Pair, role: Role, area: Option<Area>, is_live: bool) -> Part {
    Part {
        login,
        name,
        role,
        area,
        is_live,
    }
}

const REP: Role = Role::Rep;
const EAST: Option<Area> = Some(Area::East);
const SOUTH: Option<Area> = Some(Area::South);
const SOUTHWEST: Option<Area> = Some(Area::Southwest);

/// The company's name.
pub(super) const COMPANY: Pair = ("田野工业品", "Tianye Industrial Supplies");

/// Everybody who is there at the end.
pub(super) const CAST: [Part; 16] = [
    part("admin", ("周敏", "Zhou Min"), Role::Admin, None, false),
    part("office", ("孙丽", "Sun Li"), Role::BackOffice, None, false),
    part("chen", ("陈志远", "Chen Zhiyuan"), Role::Manager, EAST, false),
    part("helen", ("Helen Brooks", "Helen Brooks"), Role::Manager, SOUTH, false),
    part("liwei", ("李伟", "Li Wei"), REP, EAST, true),
    part("wangfang", ("王芳", "Wang Fang"), REP, EAST, false),
    part("zhanglei", ("张磊", "Zhang Lei"), REP, EAST, false),
    part("emily", ("Emily Carter", "Emily Carter"), REP, EAST, true),
    part("huanglihua", ("黄丽华", "Huang Lihua"), REP, SOUTH, true),
    part("linjun", ("林俊", "Lin Jun"), REP, SOUTH, false),
    part("hejing", ("何静", "He Jing"), REP, SOUTH, false),
    part("daniel", ("Daniel Reed", "Daniel Reed"), REP, SOUTH, false),
    part("liuyang", ("刘洋", "Liu Yang"), REP, SOUTHWEST, true),
    part("luona", ("罗娜", "Luo Na"), REP, SOUTHWEST, false),
    part("yangfan", ("杨帆", "Yang Fan"), REP, SOUTHWEST, false),
    part("grace", ("Grace Miller", "Grace Miller"), REP, SOUTHWEST, true),
];

/// Who leaves on the way; his customers go to his colleagues.
pub(super) const LEAVER: Part = part("zhaoqiang", ("赵强", "Zhao Qiang"), REP, SOUTH, false);

impl Part {
    pub(super) fn person(&self, language: Language) -> Person {
        Person {
            login: self.login.to_owned(),
            name: language.of(self.name).to_owned(),
            also: vec![self.name.0.to_owned(), self.name.1.to_owned()],
            role: self.role.name().to_owned(),
        }
    }
}

/// A team's name.
pub(super) const fn team_name(area: Area) -> Pair {
    match area {
        Area::East => ("华东区", "East China"),
        Area::South => ("华南区", "South China"),
        // A young team, still led from the south.
        Area::Southwest => ("西南组", "Southwest China"),
    }
}

/// The pools' names, and which area's customers lie in which.
pub(super) const POOLS: [Pair; 2] = [("华东公海", "East pool"), ("南方公海", "South pool")];

pub(super) const fn pool_of(area: Area) -> usize {
    match area {
        Area::East => 0,
        Area::South | Area::Southwest => 1,
    }
}
