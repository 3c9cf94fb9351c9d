//! Where customers' names and places come from: short names of companies and China's administrative divisions, as
//! published (`tests/data/README.md` names sources and licences). Everything else about a customer is made up.

use rand::{Rng, rngs::StdRng, seq::SliceRandom};

use super::{
    language::Language,
    texts::{GIVEN_NAMES, Pair, SOURCES, SURNAMES, TAGS, TITLES, TRADES},
};

/// Company short names, one a line.
const SHORT_NAMES: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/data/cn/company_short_names.txt"
));
/// Counties and districts: code, name, city's code, province's code.
const AREAS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/cn/areas.csv"));
/// Cities: code, name, province's code.
const CITIES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/cn/cities.csv"));
/// Provinces: code, name.
const PROVINCES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/cn/provinces.csv"));

/// Characters of a short name that are taken: longer ones are whole names.
const SHORT_NAME_CHARS: std::ops::RangeInclusive<usize> = 2..=4;
/// Customers lie so far from the middle of their city at most, in millionths of a degree: about 12 km.
const SPREAD_MICRODEGREES: i32 = 110_000;

/// The parts of the country that the company works in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Area {
    East,
    South,
    Southwest,
}

impl Area {
    pub(super) const ALL: [Self; 3] = [Self::East, Self::South, Self::Southwest];
}

/// A city by its official code, with its middle and its name in English.
struct City {
    area: Area,
    code: &'static str,
    english: &'static str,
    lat: f64,
    lon: f64,
}

const fn city(area: Area, code: &'static str, english: &'static str, lat: f64, lon: f64) -> City {
    City {
        area,
        code,
        english,
        lat,
        lon,
    }
}

const WORKED: [City; 27] = [
    city(Area::East, "3101", "Shanghai", 31.23, 121.47),
    city(Area::East, "3201", "Nanjing, Jiangsu", 32.06, 118.80),
    city(Area::East, "3202", "Wuxi, Jiangsu", 31.49, 120.31),
    city(Area::East, "3205", "Suzhou, Jiangsu", 31.30, 120.58),
    city(Area::East, "3206", "Nantong, Jiangsu", 31.98, 120.89),
    city(Area::East, "3301", "Hangzhou, Zhejiang", 30.27, 120.15),
    city(Area::East, "3302", "Ningbo, Zhejiang", 29.87, 121.55),
    city(Area::East, "3304", "Jiaxing, Zhejiang", 30.75, 120.75),
    city(Area::East, "3306", "Shaoxing, Zhejiang", 30.00, 120.58),
    city(Area::East, "3401", "Hefei, Anhui", 31.82, 117.23),
    city(Area::East, "3402", "Wuhu, Anhui", 31.33, 118.38),
    city(Area::South, "4401", "Guangzhou, Guangdong", 23.13, 113.26),
    city(Area::South, "4403", "Shenzhen, Guangdong", 22.58, 114.06),
    city(Area::South, "4406", "Foshan, Guangdong", 23.02, 113.12),
    city(Area::South, "4413", "Huizhou, Guangdong", 23.11, 114.42),
    city(Area::South, "3501", "Fuzhou, Fujian", 26.07, 119.30),
    city(Area::South, "3502", "Xiamen, Fujian", 24.58, 118.09),
    city(Area::South, "3505", "Quanzhou, Fujian", 24.91, 118.62),
    city(Area::South, "4501", "Nanning, Guangxi", 22.82, 108.37),
    city(Area::South, "4601", "Haikou, Hainan", 19.98, 110.33),
    city(Area::Southwest, "5101", "Chengdu, Sichuan", 30.57, 104.07),
    city(Area::Southwest, "5107", "Mianyang, Sichuan", 31.47, 104.68),
    city(Area::Southwest, "5001", "Chongqing", 29.56, 106.55),
    city(Area::Southwest, "5201", "Guiyang, Guizhou", 26.65, 106.63),
    city(Area::Southwest, "5203", "Zunyi, Guizhou", 27.73, 106.93),
    city(Area::Southwest, "5301", "Kunming, Yunnan", 25.04, 102.71),
    city(Area::Southwest, "5303", "Qujing, Yunnan", 25.49, 103.80),
];

/// A customer as he is before anybody has visited him.
#[derive(Debug, Clone)]
pub(super) struct Prospect {
    pub(super) number: usize,
    pub(super) area: Area,
    pub(super) name: String,
    pub(super) region: String,
    pub(super) address: String,
    pub(super) lat: f64,
    pub(super) lon: f64,
    pub(super) trade: Pair,
    pub(super) source: Pair,
    pub(super) tags: Vec<Pair>,
    pub(super) contact: String,
    pub(super) title: Pair,
    pub(super) phone: String,
}

/// A city with the names that stand in addresses.
struct Place {
    city: &'static City,
    /// As on a letter: 江苏省苏州市.
    full: String,
    /// As in a company's name: 苏州.
    short: String,
    districts: Vec<&'static str>,
}

/// Makes customers, one after the other; none shares its name with another.
pub(super) struct Directory {
    names: std::vec::IntoIter<&'static str>,
    places: Vec<Place>,
}

impl Directory {
    pub(super) fn open(generator: &mut StdRng) -> Self {
        let mut names: Vec<&str> = SHORT_NAMES
            .lines()
            // What is not a name in Chinese characters is the source's heading, or a brand in letters.
            .map(str::trim)
            .filter(|name| SHORT_NAME_CHARS.contains(&name.chars().count()) && name.chars().all(is_han))
            .collect();
        names.sort_unstable();
        names.dedup();
        names.shuffle(generator);
        Self {
            names: names.into_iter(),
            places: WORKED.iter().filter_map(place).collect(),
        }
    }

    /// How many customers there are names for.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The next customer; none when the names are used up.
    pub(super) fn next(&mut self, number: usize, language: Language, generator: &mut StdRng) -> Option<Prospect> {
        let short_name = self.names.next()?;
        let place = &self.places[generator.random_range(0..self.places.len())];
        let district = place.districts.choose_one(generator).copied().unwrap_or_default();
        let trade = TRADES[generator.random_range(0..TRADES.len())];
        let spread = |generator: &mut StdRng, middle: f64| {
            let micro = generator.random_range(-SPREAD_MICRODEGREES..SPREAD_MICRODEGREES);
            ((middle + f64::from(micro) / 1e6) * 1e6).round() / 1e6
        };
        let (house, room) = (generator.random_range(1..900), generator.random_range(101..2_500));
        let (name, region) = match language {
            Language::Zh => (
                format!("{}{short_name}{}有限公司", place.short, trade.0),
                place.full.clone(),
            ),
            Language::En => (format!("{short_name} {}", trade.1), place.city.english.to_owned()),
        };
        Some(Prospect {
            number,
            area: place.city.area,
            name,
            region,
            address: format!(
                "{}{district}{}{house}号{room}室",
                place.full,
                STREETS.choose_one(generator).copied().unwrap_or_default()
            ),
            lat: spread(generator, place.city.lat),
            lon: spread(generator, place.city.lon),
            trade,
            source: *SOURCES.choose_one(generator).unwrap_or(&SOURCES[0]),
            tags: TAGS.iter().copied().filter(|_| generator.random_ratio(1, 8)).collect(),
            contact: person(language, generator),
            title: *TITLES.choose_one(generator).unwrap_or(&TITLES[0]),
            phone: mobile(generator),
        })
    }
}

const STREETS: [&str; 10] = [
    "人民路",
    "中山北路",
    "建设大道",
    "科技园南区",
    "工业三路",
    "滨河西街",
    "环城东路",
    "解放路",
    "兴业路",
    "创新大道",
];

/// One of a list.
pub(super) trait ChooseOne<T> {
    fn choose_one(&self, generator: &mut StdRng) -> Option<&T>;
}

impl<T> ChooseOne<T> for [T] {
    fn choose_one(&self, generator: &mut StdRng) -> Option<&T> {
        (!self.is_empty()).then(|| &self[generator.random_range(0..self.len())])
    }
}

/// A person's name as it is written in the language.
pub(super) fn person(language: Language, generator: &mut StdRng) -> String {
    let surname = SURNAMES[generator.random_range(0..SURNAMES.len())];
    let given = GIVEN_NAMES[generator.random_range(0..GIVEN_NAMES.len())];
    match language {
        Language::Zh => format!("{}{}", surname.0, given.0),
        Language::En => format!("{} {}", surname.1, given.1),
    }
}

/// As long as a mobile number, and none: those begin with 13 to 19, so nobody is rung up by accident.
pub(super) fn mobile(generator: &mut StdRng) -> String {
    format!("120{:08}", generator.random_range(0..100_000_000))
}

fn place(city: &'static City) -> Option<Place> {
    let name = find(CITIES, city.code)?;
    let province = find(PROVINCES, &city.code[..2])?;
    // A municipality's one "city" is called after what it is.
    let (full, own) = if name == "市辖区" {
        (province.to_owned(), province)
    } else {
        (format!("{province}{name}"), name)
    };
    let wanted = format!(",{},", city.code);
    let districts = AREAS
        .lines()
        .filter(|line| line.contains(&wanted))
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    Some(Place {
        city,
        full,
        short: own.trim_end_matches('市').to_owned(),
        districts,
    })
}

/// The name behind a code: `3205,"苏州市",32`.
fn find(table: &'static str, code: &str) -> Option<&'static str> {
    let line = table
        .lines()
        .find(|line| line.split(',').next().is_some_and(|first| first == code))?;
    line.split('"').nth(1)
}

fn is_han(c: char) -> bool {
    ('\u{4E00}'..='\u{9FA5}').contains(&c)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn every_city_is_in_the_published_divisions_with_districts() {
        for city in &WORKED {
            let place = place(city).unwrap_or_else(|| panic!("{} is not in cities.csv", city.code));
            assert!(!place.districts.is_empty(), "{} has no districts", place.full);
        }
    }

    #[test]
    fn two_thousand_customers_have_two_thousand_names_and_the_same_seed_gives_them_again() {
        for language in [Language::Zh, Language::En] {
            let names = || {
                let mut generator = StdRng::seed_from_u64(7);
                let mut directory = Directory::open(&mut generator);
                let all = (0..2_000).map(|number| directory.next(number, language, &mut generator).unwrap().name);
                all.collect::<Vec<_>>()
            };
            let first = names();
            assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 2_000);
            assert_eq!(first, names());
        }
    }
}
