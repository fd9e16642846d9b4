//! Tables as a backup writes and reads them: `NAME key=… columns=NAME:KIND,…`, where `?` marks what
//! may be null and `seeded` says that a migration itself puts rows there. This binary's own come
//! from the list of nouns.

use std::sync::Arc;

use super::encoding::{Lent, values};
use crate::domain::{Error, Result};
use crate::store::nouns::{DeclaredTable, Kind, TABLES};

/// Returns all tables of this binary's schema.
pub(in crate::store) fn all() -> Arc<[Table]> {
    TABLES.iter().map(Table::of).collect()
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Column {
    pub(in crate::store) name: String,
    pub(in crate::store) kind: Kind,
    pub(in crate::store) nullable: bool,
}

/// A table, its columns, and what orders its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(in crate::store) name: String,
    pub(in crate::store) key: Vec<String>,
    pub(in crate::store) columns: Vec<Column>,
    pub(in crate::store) seeded: bool,
}

impl Table {
    fn of(declared: &DeclaredTable) -> Self {
        let columns = declared.columns.iter();
        Self {
            name: declared.name.to_owned(),
            key: declared
                .key
                .iter()
                .map(|&column| column.to_owned())
                .collect(),
            columns: columns
                .map(|column| Column {
                    name: column.name.to_owned(),
                    kind: column.kind,
                    nullable: column.nullable,
                })
                .collect(),
            seeded: declared.seeded,
        }
    }

    /// Reads a line of a backup; its names are safe to write into SQL.
    pub(in crate::store) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let name = identifier(words.next()?)?;
        let key = words
            .next()?
            .strip_prefix("key=")?
            .split(',')
            .map(identifier)
            .collect::<Option<Vec<_>>>()?;
        let columns = words
            .next()?
            .strip_prefix("columns=")?
            .split(',')
            .map(Column::parse)
            .collect::<Option<Vec<_>>>()?;
        let seeded = match words.next() {
            None => false,
            Some("seeded") => true,
            Some(_) => return None,
        };
        let known = key
            .iter()
            .all(|name| columns.iter().any(|column| &column.name == name));
        (known && words.next().is_none()).then_some(Self {
            name,
            key,
            columns,
            seeded,
        })
    }

    /// Writes the line that [`Self::parse`] reads.
    pub(super) fn to_line(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(Column::to_text).collect();
        let seeded = if self.seeded { " seeded" } else { "" };
        format!(
            "{} key={} columns={}{seeded}",
            self.name,
            self.key.join(","),
            columns.join(",")
        )
    }

    fn names(&self) -> String {
        self.columns
            .iter()
            .map(|column| column.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Returns the query for all rows in their order; `sortable` makes of a column what sorts by
    /// its bytes.
    pub(in crate::store) fn select(&self, sortable: impl Fn(&str, Kind) -> String) -> String {
        let key = self.columns_of_key().map(|column| {
            let sorted = sortable(&column.name, column.kind);
            // Where nothing goes, the databases disagree.
            if column.nullable {
                format!("{} IS NULL, {sorted}", column.name)
            } else {
                sorted
            }
        });
        format!(
            "SELECT {} FROM {} ORDER BY {}",
            self.names(),
            self.name,
            key.collect::<Vec<_>>().join(", ")
        )
    }

    fn columns_of_key(&self) -> impl Iterator<Item = &Column> {
        self.key
            .iter()
            .filter_map(|name| self.columns.iter().find(|column| &column.name == name))
    }

    /// Returns the statement that adds a row.
    pub(super) fn insert(&self) -> String {
        let places: Vec<String> = (1..=self.columns.len())
            .map(|number| format!("${number}"))
            .collect();
        format!(
            "INSERT INTO {} ({}) VALUES ({})",
            self.name,
            self.names(),
            places.join(", ")
        )
    }

    /// Returns the statement that takes all rows away.
    pub(super) fn delete(&self) -> String {
        format!("DELETE FROM {}", self.name)
    }

    /// Returns the values of an encoded row; fails unless they are of its columns' kinds.
    pub(super) fn check<'r>(&self, row: &'r [u8]) -> Result<impl Iterator<Item = Lent<'r>>> {
        let mut count = 0;
        for value in values(row) {
            let value = value.ok_or_else(|| {
                Error::internal(format!("table {}: a row can't be read", self.name))
            })?;
            let column = self.columns.get(count);
            count += 1;
            let fits = |column: &Column| match value {
                Lent::Null => column.nullable,
                Lent::Integer(_) => column.kind == Kind::Integer,
                Lent::Text(_) => column.kind == Kind::Text,
                Lent::Bytes(_) => column.kind == Kind::Bytes,
            };
            if let Some(column) = column.filter(|column| !fits(column)) {
                return Err(Error::internal(format!(
                    "table {}, column {}: {:?} is no {:?}",
                    self.name,
                    column.name,
                    value.owned(),
                    column.kind
                )));
            }
        }
        if count != self.columns.len() {
            return Err(Error::internal(format!(
                "table {}: a row has {count} columns",
                self.name,
            )));
        }
        Ok(values(row).flatten())
    }
}

impl Column {
    fn parse(text: &str) -> Option<Self> {
        let (name, kind) = text.split_once(':')?;
        let (kind, nullable) = kind
            .strip_suffix('?')
            .map_or((kind, false), |kind| (kind, true));
        let kind = match kind {
            "integer" => Kind::Integer,
            "text" => Kind::Text,
            "bytes" => Kind::Bytes,
            _ => return None,
        };
        Some(Self {
            name: identifier(name)?,
            kind,
            nullable,
        })
    }

    fn to_text(&self) -> String {
        let kind = match self.kind {
            Kind::Integer => "integer",
            Kind::Text => "text",
            Kind::Bytes => "bytes",
        };
        format!(
            "{}:{kind}{}",
            self.name,
            if self.nullable { "?" } else { "" }
        )
    }
}

fn identifier(text: &str) -> Option<String> {
    let fits = text.starts_with(|letter: char| letter.is_ascii_lowercase())
        && text
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
        && text.len() < 64;
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::store::portable::Rows;
    use crate::store::row::Value;

    #[test]
    fn each_line_reads_as_it_is_written() {
        assert_eq!(all().len(), TABLES.len());
        for table in all().iter() {
            assert_eq!(Table::parse(&table.to_line()).as_ref(), Some(table));
        }
        let line = "policy_attachment \
                    key=account_id,policy_name,policy_kind,user_id,group_name,role_id \
                    columns=account_id:integer,policy_name:text,policy_kind:text,\
                    user_id:integer?,group_name:text?,role_id:integer?";
        assert!(all().iter().any(|table| table.to_line() == line));
        for bad in [
            "a",
            "a key=b columns=c:text",
            "a key=b columns=b:float",
            "a; key=b columns=b:text",
            "a key=b columns=b:text;x",
            "A key=b columns=b:text",
            "a key=b columns=b:text seeded more",
        ] {
            assert_eq!(Table::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_value_of_another_kind_is_named() {
        let table = Table::parse("t key=a columns=a:integer,b:text?").unwrap();
        let encoded = |row: &[Value]| {
            let mut rows = Rows::default();
            let values = row.iter().map(|value| Ok::<_, Infallible>(value.into()));
            rows.add(values).unwrap();
            rows.iter().next().unwrap().bytes().to_vec()
        };
        assert!(table.check(&encoded(&[1.into(), Value::Null])).is_ok());
        for (row, expected) in [
            (
                encoded(&[Value::Null, Value::Null]),
                "table t, column a: null is no Integer",
            ),
            (
                encoded(&[1.into(), 2.into()]),
                "table t, column b: 2 is no Text",
            ),
            (encoded(&[1.into()]), "table t: a row has 1 columns"),
            (
                encoded(&[1.into(), "a".into(), 3.into()]),
                "table t: a row has 3 columns",
            ),
            (
                b"i\0\0\0\0\0\0\0\x01t".to_vec(),
                "table t: a row can't be read",
            ),
        ] {
            let refusal = table.check(&row).map(drop).unwrap_err();
            assert_eq!(refusal.cause().unwrap(), expected);
        }
    }
}
