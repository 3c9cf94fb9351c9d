//! Says which column is which field: as `--map` names them, and by their headers for the rest.

use super::{Entity, ImportError, Table, fields};

/// What `--map` asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MappingRequest {
    pairs: Vec<(String, String)>,
}

impl MappingRequest {
    /// Reads `field=Column,field=Column`. A comma without a field behind it belongs to the column's name.
    /// `field=#3` is the third column; `field=` leaves the field out although a column has its name.
    ///
    /// # Errors
    /// [`ImportError::BadMap`].
    pub fn parse(text: &str) -> Result<Self, ImportError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in text.split(',') {
            match (part.split_once('='), pairs.last_mut()) {
                (Some((field, column)), _) if !field.trim().is_empty() => {
                    pairs.push((field.trim().to_owned(), column.trim().to_owned()));
                }
                (None, Some((_, column))) if !part.is_empty() => {
                    column.push(',');
                    column.push_str(part);
                }
                _ if part.trim().is_empty() => {}
                _ => return Err(ImportError::BadMap(part.trim().to_owned())),
            }
        }
        Ok(Self { pairs })
    }

    /// Adds the pairs of a further `--map`.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.pairs.extend(other.pairs);
        self
    }

    /// The columns asked for by name.
    pub fn named_columns(&self) -> impl Iterator<Item = &str> {
        self.pairs
            .iter()
            .map(|(_, column)| column.as_str())
            .filter(|column| !column.is_empty() && !is_number(column))
    }

    /// Whether any column is asked for by name.
    #[must_use]
    pub fn names_any_column(&self) -> bool {
        self.named_columns().next().is_some()
    }
}

/// Which column gives which field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Field name and index of its column.
    pub columns: Vec<(String, usize)>,
    /// Columns that nothing is taken from.
    pub ignored: Vec<String>,
}

impl Mapping {
    /// Resolves `request` against the table's header.
    ///
    /// # Errors
    /// [`ImportError::UnknownField`], [`ImportError::UnknownColumn`], [`ImportError::MissingColumn`]: each lists
    /// the fields and the columns.
    pub fn resolve(entity: Entity, table: &Table, request: &MappingRequest) -> Result<Self, ImportError> {
        let known = || fields::field_list(entity);
        let there = || table.columns.join(", ");
        let mut columns: Vec<(String, usize)> = Vec::new();
        let mut left_out = Vec::new();
        for (field, column) in &request.pairs {
            let Some(field) = fields::field_named(entity, field) else {
                return Err(ImportError::UnknownField {
                    entity,
                    field: field.clone(),
                    fields: known(),
                    columns: there(),
                });
            };
            if column.is_empty() {
                left_out.push(field);
                continue;
            }
            let Some(index) = index_of(&table.columns, column) else {
                return Err(ImportError::UnknownColumn {
                    entity,
                    column: column.clone(),
                    fields: known(),
                    columns: there(),
                });
            };
            columns.retain(|(name, _)| *name != field);
            columns.push((field, index));
        }
        for (index, column) in table.columns.iter().enumerate() {
            let Some(field) = fields::field_of_column(entity, column) else {
                continue;
            };
            let taken = columns.iter().any(|(name, at)| *name == field || *at == index);
            if !taken && !left_out.contains(&field) {
                columns.push((field, index));
            }
        }
        for &field in fields::required(entity) {
            if !columns.iter().any(|(name, _)| name == field) {
                return Err(ImportError::MissingColumn {
                    entity,
                    field,
                    fields: known(),
                    columns: there(),
                });
            }
        }
        let ignored = (0..table.columns.len()).filter(|index| !columns.iter().any(|(_, at)| at == index));
        let ignored = ignored.map(|index| table.columns[index].clone()).collect();
        Ok(Self { columns, ignored })
    }
}

fn is_number(column: &str) -> bool {
    column
        .strip_prefix('#')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn index_of(columns: &[String], wanted: &str) -> Option<usize> {
    let exact = columns.iter().position(|column| column == wanted);
    let loose = || columns.iter().position(|column| fields::same_column(column, wanted));
    let numbered = || {
        let number: usize = wanted.strip_prefix('#')?.parse().ok()?;
        number.checked_sub(1).filter(|index| *index < columns.len())
    };
    exact.or_else(loose).or_else(numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[&str]) -> Table {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        Table {
            columns,
            rows: Vec::new(),
            skipped: Vec::new(),
            encoding: "UTF-8",
        }
    }

    #[test]
    fn named_columns_come_first_and_known_headers_fill_in() {
        let request = MappingRequest::parse("name=CompanyName,external_id=Kunden-Nr,contact.name=#4").unwrap();
        let mapping = Mapping::resolve(
            Entity::Customers,
            &table(&["Kunden-Nr", "CompanyName", "Region", "X", "Fax"]),
            &request,
        )
        .unwrap();
        let pairs: Vec<_> = mapping
            .columns
            .iter()
            .map(|(field, index)| (field.as_str(), *index))
            .collect();
        assert_eq!(
            pairs,
            [("name", 1), ("external_id", 0), ("contact.name", 3), ("region", 2)]
        );
        assert_eq!(mapping.ignored, ["Fax"]);
    }

    #[test]
    fn an_unknown_column_is_a_usage_error_that_lists_fields_and_columns() {
        let request = MappingRequest::parse("name=Firma").unwrap();
        let error = Mapping::resolve(Entity::Customers, &table(&["Kunde", "Ort"]), &request).unwrap_err();
        assert!(error.is_usage());
        let text = error.to_string();
        assert!(text.contains("Kunde, Ort") && text.contains("contact.phone"), "{text}");
    }

    #[test]
    fn an_unknown_field_and_a_missing_one_are_usage_errors() {
        let request = MappingRequest::parse("nmae=Kunde").unwrap();
        let error = Mapping::resolve(Entity::Customers, &table(&["Kunde"]), &request).unwrap_err();
        assert_eq!((error.code(), error.is_usage()), ("unknown_field", true));
        let error = Mapping::resolve(Entity::Customers, &table(&["Kunde"]), &MappingRequest::default()).unwrap_err();
        assert_eq!(error.code(), "missing_column");
    }

    #[test]
    fn a_column_may_have_a_comma_and_a_field_may_be_left_out() {
        let request = MappingRequest::parse("name=Name, legal,region=").unwrap();
        let mapping = Mapping::resolve(Entity::Customers, &table(&["Name, legal", "Region"]), &request).unwrap();
        assert_eq!(mapping.columns, [("name".to_owned(), 0)]);
        assert!(MappingRequest::parse("name").is_err());
    }
}
