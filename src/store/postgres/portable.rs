//! Everything that is in a PostgreSQL database, out and in.

use tokio::sync::mpsc;
use tokio_postgres::IsolationLevel;
use tokio_postgres::error::SqlState;

use super::error::{failure, unreachable};
use super::values::{typed, value};
use super::write::{Sent, in_order};
use super::{Object, Postgres, Statements, WITHOUT_BOUNDS};
use crate::domain::{Error, Result};
use crate::store::nouns::Kind;
use crate::store::portable::{Batch, Hold, Piece, Rows, Table};

/// How many rows are fetched at a time, and how many are sent before their answers are waited for.
const ROWS: usize = 500;
/// Every write begins by adding its operation: this lets the writes under way end, and keeps
/// further ones waiting.
const HOLD_WRITERS: &str = "LOCK TABLE operation IN SHARE MODE";

impl Postgres {
    pub(super) async fn stream(
        &self,
        tables: &[Table],
        hold: Hold,
        pieces: mpsc::Sender<Piece>,
    ) -> Result<()> {
        let mut client = self.pool.get().await.map_err(unreachable)?;
        if hold == Hold::Writers {
            match stream_from(&mut client, tables, Some(HOLD_WRITERS), &pieces).await {
                Err(error)
                    if matches!(
                        error.code(),
                        Some(&SqlState::FEATURE_NOT_SUPPORTED | &SqlState::SYNTAX_ERROR)
                    ) =>
                {
                    tracing::warn!(
                        "this database can't keep writers waiting: see to it that nothing writes \
                         meanwhile"
                    );
                }
                streamed => return streamed.map_err(failure),
            }
        }
        stream_from(&mut client, tables, None, &pieces)
            .await
            .map_err(failure)
    }

    pub(super) async fn insert(&self, batch: Batch) -> Result<()> {
        let mut client = self.pool.get().await.map_err(unreachable)?;
        let transaction = client.transaction().await.map_err(failure)?;
        transaction
            .batch_execute(WITHOUT_BOUNDS)
            .await
            .map_err(failure)?;
        if let Some(before) = &batch.before {
            transaction.batch_execute(before).await.map_err(failure)?;
        }
        let prepared = match self.options.statements {
            Statements::Prepared => Some(transaction.prepare(&batch.text).await.map_err(failure)?),
            Statements::Unnamed => None,
        };
        for rows in batch.rows.chunks(ROWS) {
            let sends = rows.iter().map(|row| -> Sent<'_> {
                let (transaction, text, prepared) = (&transaction, &batch.text, prepared.as_ref());
                Box::pin(async move {
                    match prepared {
                        Some(prepared) => transaction.execute_raw(prepared, row).await,
                        None => transaction.execute_typed(text, &typed(row)).await,
                    }
                })
            });
            for count in in_order(sends.collect()).await {
                if count.map_err(failure)? != 1 {
                    return Err(Error::internal("a row that was to be added was not"));
                }
            }
        }
        transaction.commit().await.map_err(failure)
    }
}

async fn stream_from(
    client: &mut Object,
    tables: &[Table],
    hold: Option<&str>,
    pieces: &mpsc::Sender<Piece>,
) -> Result<(), tokio_postgres::Error> {
    // One moment for all tables: that of the first statement after this.
    let builder = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(hold.is_none());
    let transaction = builder.start().await?;
    transaction.batch_execute(WITHOUT_BOUNDS).await?;
    if let Some(hold) = hold {
        transaction.batch_execute(hold).await?;
    }
    for table in tables {
        // Bytes sort the same everywhere; text sorts as the database was told when it was made.
        let text = table.select(|name, kind| match kind {
            Kind::Text => format!("convert_to({name}, 'UTF8')"),
            Kind::Integer | Kind::Bytes => name.to_owned(),
        });
        transaction
            .batch_execute(&format!("DECLARE all_rows NO SCROLL CURSOR FOR {text}"))
            .await?;
        let fetch = format!("FETCH FORWARD {ROWS} FROM all_rows");
        loop {
            let rows = transaction.query_typed(&fetch, &[]).await?;
            if rows.is_empty() {
                break;
            }
            let mut encoded = Rows::default();
            for row in &rows {
                let values = (0..row.len()).map(|index| value(row, index));
                let values = values.collect::<Result<Vec<_>, _>>()?;
                encoded.add(
                    values
                        .iter()
                        .map(|value| Ok::<_, tokio_postgres::Error>(value.into())),
                )?;
            }
            if pieces.send(Piece::Rows(encoded)).await.is_err() {
                return Ok(());
            }
        }
        transaction.batch_execute("CLOSE all_rows").await?;
        if pieces.send(Piece::EndOfTable).await.is_err() {
            return Ok(());
        }
    }
    transaction.commit().await
}
