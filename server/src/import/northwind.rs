//! Microsoft's Northwind sample as it is published, turned into the records of an ordinary import.
//!
//! The published files need joining: a customer's owner is the employee of its latest order, and `ReportsTo` makes
//! the teams. Everything else goes through the same mapping, parsing and applying as any other file.

use std::{collections::BTreeMap, fs, path::Path};

use super::{
    Entity, ImportError, Mapping, MappingRequest, ReadOptions, Table, read_table,
    rows::{OpportunityRow, Parsed, Record, UserRow, parse_rows},
};

/// The currency of the sample's amounts.
const CURRENCY: &str = "USD";
/// The stage of an order that was delivered and paid.
const WON: &str = "won";

/// The three entities, each with the file it came from, in the order in which they must be applied.
#[derive(Debug)]
pub struct Northwind {
    /// Employees: who is reported to manages a team of his own.
    pub users: (Parsed, Table),
    /// Customers with their owner and one contact.
    pub customers: (Parsed, Table),
    /// Orders as won deals with their own author and date.
    pub opportunities: (Parsed, Table),
}

/// Why the folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NorthwindError {
    /// A file is missing or unreadable.
    #[error("cannot read {file}: {source}; the folder must hold employees.csv, customers.csv and orders.csv")]
    File {
        /// Which.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not as published.
    #[error("{file}: {source}")]
    Table {
        /// Which.
        file: &'static str,
        /// What is wrong with it.
        source: ImportError,
    },
    /// A column is missing.
    #[error("{file} has no column {column}; use the files as they are published")]
    Column {
        /// Which file.
        file: &'static str,
        /// Which column.
        column: &'static str,
    },
}

/// Reads `employees.csv`, `customers.csv` and `orders.csv` from a folder.
///
/// # Errors
/// See [`NorthwindError`].
pub fn read_folder(folder: &Path) -> Result<Northwind, NorthwindError> {
    let text = |file: &str| {
        let path = folder.join(file);
        fs::read(&path).map_err(|source| NorthwindError::File {
            file: path.display().to_string(),
            source,
        })
    };
    read(&text("employees.csv")?, &text("customers.csv")?, &text("orders.csv")?)
}

/// Joins the three files.
///
/// # Errors
/// See [`NorthwindError`].
pub fn read(employees: &[u8], customers: &[u8], orders: &[u8]) -> Result<Northwind, NorthwindError> {
    let employees = Sheet::read("employees.csv", Entity::Users, employees, "login=EmployeeID")?;
    let map = "close_date=OrderDate,at=OrderDate,author=EmployeeID";
    let orders = Sheet::read("orders.csv", Entity::Opportunities, orders, map)?;
    let mut customers = Sheet::read("customers.csv", Entity::Customers, customers, "")?;

    let logins = logins(&employees)?;
    let users = users(&employees, &logins)?;
    let owners = owners(&orders, &logins)?;
    add_address_parts(&mut customers)?;
    let mut customer_rows = customers.parse();
    for record in &mut customer_rows.records {
        if let Record::Customer(row) = record {
            row.owner = row.external_id.as_ref().and_then(|id| owners.get(id)).cloned();
        }
    }
    let mut deals = orders.parse();
    for record in &mut deals.records {
        if let Record::Opportunity(row) = record {
            complete_order(row, &logins);
        }
    }
    Ok(Northwind {
        users: (users, employees.table),
        customers: (customer_rows, customers.table),
        opportunities: (deals, orders.table),
    })
}

fn complete_order(row: &mut OpportunityRow, logins: &BTreeMap<String, String>) {
    row.title = format!("Order {}", row.title);
    row.stage = Some(WON.into());
    // An employee that is not in employees.csv stays a number, which the import refuses as an unknown author.
    row.author = row.author.take().map(|id| logins.get(&id).cloned().unwrap_or(id));
}

/// The last name in lower case is the login; an employee without one keeps his number.
fn logins(employees: &Sheet) -> Result<BTreeMap<String, String>, NorthwindError> {
    let (id, last) = (employees.column("EmployeeID")?, employees.column("LastName")?);
    let rows = employees.table.rows.iter().filter(|row| row.problem.is_none());
    let pairs = rows.map(|row| {
        let login: String = row.cells[last]
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric())
            .collect();
        (
            row.cells[id].clone(),
            if login.is_empty() { row.cells[id].clone() } else { login },
        )
    });
    Ok(pairs.collect())
}

/// Who is reported to is a manager of a team of his own; everybody else is a rep in the team of whom he reports to.
fn users(employees: &Sheet, logins: &BTreeMap<String, String>) -> Result<Parsed, NorthwindError> {
    let [id, last, first, boss] =
        ["EmployeeID", "LastName", "FirstName", "ReportsTo"].map(|name| employees.column(name));
    let (id, last, first, boss) = (id?, last?, first?, boss?);
    let mut parsed = employees.parse();
    let rows: BTreeMap<u64, _> = employees.table.rows.iter().map(|row| (row.line, row)).collect();
    let reported_to = |number: &str| {
        rows.values()
            .any(|row| row.cells.get(boss).is_some_and(|cell| cell == number))
    };
    let team_of = |number: &str| {
        let own = rows
            .values()
            .find(|row| row.cells.get(id).is_some_and(|cell| cell == number));
        own.map(|row| format!("{}'s team", row.cells[last]))
    };
    for record in &mut parsed.records {
        let Record::User(user) = record else { continue };
        let cells = &rows[&user.line].cells;
        let manages = reported_to(&cells[id]);
        *user = UserRow {
            line: user.line,
            login: logins.get(&cells[id]).cloned().unwrap_or_default(),
            name: Some(format!("{} {}", cells[first], cells[last])),
            role: Some(if manages { "manager" } else { "rep" }),
            team: team_of(if manages { &cells[id] } else { &cells[boss] }),
            manager: logins.get(&cells[boss]).cloned(),
            email: None,
            password: None,
        };
    }
    // A manager's team must be there before those below it.
    parsed.records.sort_by_key(|record| match record {
        Record::User(user) => user.manager.is_some(),
        _ => false,
    });
    Ok(parsed)
}

/// The employee of each customer's latest order, by date and then by number.
fn owners(orders: &Sheet, logins: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, NorthwindError> {
    let [order, customer, employee, date] =
        ["OrderID", "CustomerID", "EmployeeID", "OrderDate"].map(|name| orders.column(name));
    let (order, customer, employee, date) = (order?, customer?, employee?, date?);
    let mut latest: BTreeMap<&str, (&str, u64, &str)> = BTreeMap::new();
    for row in orders.table.rows.iter().filter(|row| row.problem.is_none()) {
        let at = (
            row.cells[date].as_str(),
            row.cells[order].parse().unwrap_or(0),
            row.cells[employee].as_str(),
        );
        let known = latest.entry(&row.cells[customer]).or_insert(at);
        *known = (*known).max(at);
    }
    let owned = latest
        .into_iter()
        .filter_map(|(customer, (_, _, employee))| Some((customer.to_owned(), logins.get(employee)?.clone())));
    Ok(owned.collect())
}

/// Puts postal code, city and country behind the street, as they are written on a letter.
fn add_address_parts(customers: &mut Sheet) -> Result<(), NorthwindError> {
    let [street, postal, city, country] =
        ["Address", "PostalCode", "City", "Country"].map(|name| customers.column(name));
    let (street, postal, city, country) = (street?, postal?, city?, country?);
    for row in customers.table.rows.iter_mut().filter(|row| row.problem.is_none()) {
        let town = format!("{} {}", row.cells[postal], row.cells[city]);
        let parts = [row.cells[street].as_str(), town.trim(), row.cells[country].as_str()];
        row.cells[street] = parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(", ");
    }
    Ok(())
}

struct Sheet {
    file: &'static str,
    entity: Entity,
    table: Table,
    mapping: Mapping,
}

impl Sheet {
    fn read(file: &'static str, entity: Entity, bytes: &[u8], map: &str) -> Result<Self, NorthwindError> {
        let wrong = |source| NorthwindError::Table { file, source };
        let request = MappingRequest::parse(map).map_err(wrong)?;
        let options = ReadOptions {
            file_name: file.into(),
            ..ReadOptions::default()
        };
        let table = read_table(bytes, entity, &request, &options).map_err(wrong)?;
        let mapping = Mapping::resolve(entity, &table, &request).map_err(wrong)?;
        Ok(Self {
            file,
            entity,
            table,
            mapping,
        })
    }

    fn parse(&self) -> Parsed {
        parse_rows(self.entity, &self.table, &self.mapping, CURRENCY)
    }

    fn column(&self, column: &'static str) -> Result<usize, NorthwindError> {
        let index = self.table.columns.iter().position(|name| name == column);
        index.ok_or(NorthwindError::Column {
            file: self.file,
            column,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/northwind");

    fn user<'a>(northwind: &'a Northwind, login: &str) -> &'a UserRow {
        let users = northwind.users.0.records.iter().filter_map(|record| match record {
            Record::User(user) => Some(user),
            _ => None,
        });
        users.into_iter().find(|user| user.login == login).unwrap()
    }

    #[test]
    fn northwind_joins_into_nine_people_93_customers_and_830_deals() {
        let northwind = read_folder(Path::new(FOLDER)).unwrap();
        for (parsed, count) in [
            (&northwind.users.0, 9),
            (&northwind.customers.0, 93),
            (&northwind.opportunities.0, 830),
        ] {
            assert_eq!(
                (parsed.records.len(), parsed.refused.as_slice()),
                (count, [].as_slice())
            );
        }
        let suyama = user(&northwind, "suyama");
        assert_eq!(
            (suyama.name.as_deref(), suyama.role),
            (Some("Michael Suyama"), Some("rep"))
        );
        assert_eq!(
            (suyama.team.as_deref(), suyama.manager.as_deref()),
            (Some("Buchanan's team"), Some("buchanan"))
        );
        let buchanan = user(&northwind, "buchanan");
        assert_eq!(
            (buchanan.role, buchanan.team.as_deref()),
            (Some("manager"), Some("Buchanan's team"))
        );
        assert_eq!(
            (
                buchanan.manager.as_deref(),
                user(&northwind, "fuller").manager.as_deref()
            ),
            (Some("fuller"), None)
        );
    }

    #[test]
    fn a_customer_is_owned_by_whoever_took_its_latest_order() {
        let northwind = read_folder(Path::new(FOLDER)).unwrap();
        let customers = northwind.customers.0.records.iter().filter_map(|record| match record {
            Record::Customer(row) => Some((row.external_id.as_deref().unwrap_or_default(), row)),
            _ => None,
        });
        let customers: BTreeMap<_, _> = customers.collect();
        // Order 11076 of 1998-05-06 by employee 4.
        assert_eq!(customers["BONAP"].owner.as_deref(), Some("peacock"));
        assert_eq!(customers["Val2"].owner, None);
        assert_eq!(
            customers["ANATR"].address.as_deref(),
            Some("Avda. de la Constitución 2222, 05021 México D.F., Mexico")
        );
        assert_eq!(customers["ANATR"].region, None);
    }

    #[test]
    fn an_order_is_a_won_deal_with_its_own_author_and_day() {
        let northwind = read_folder(Path::new(FOLDER)).unwrap();
        let Record::Opportunity(first) = &northwind.opportunities.0.records[0] else {
            panic!("no opportunity")
        };
        assert_eq!(
            (first.title.as_str(), first.external_id.as_deref()),
            ("Order 10248", Some("10248"))
        );
        assert_eq!((first.amount_minor, first.currency), (Some(44_000), "USD"));
        assert_eq!(
            (first.author.as_deref(), first.stage.as_deref()),
            (Some("buchanan"), Some("won"))
        );
        assert_eq!(first.close_date, Some(jiff::civil::Date::constant(1996, 7, 4)));
    }

    #[test]
    fn nineteen_thousand_names_are_read_as_they_come_in_any_encoding() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/cn/company_short_names.txt");
        let bytes = fs::read(path).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let (gbk, ..) = encoding_rs::GB18030.encode(text.trim_start_matches('\u{feff}'));
        for bytes in [bytes.as_slice(), &gbk] {
            let options = ReadOptions {
                file_name: path.into(),
                ..ReadOptions::default()
            };
            let table = read_table(bytes, Entity::Customers, &MappingRequest::default(), &options).unwrap();
            assert_eq!((table.rows.len(), table.skipped.len()), (19_100, 2));
            let mapping = Mapping::resolve(Entity::Customers, &table, &MappingRequest::default()).unwrap();
            let parsed = parse_rows(Entity::Customers, &table, &mapping, "CNY");
            assert_eq!(parsed.refused, []);
            let plan = crate::import::Plan::new(parsed.records, crate::import::plan::Key::ExternalId);
            assert_eq!((plan.len(), plan.refused.as_slice()), (19_100, [].as_slice()));
        }
    }
}
