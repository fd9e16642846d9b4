//! A command's operations, on the data or at a service.

use clap::Args;

use super::Context;
use super::output::{Output, Stdout};
use super::remote::Remote;
use crate::admin::{Listing, Operation, Page, Selection};
use crate::domain::{Error, Result};
use crate::views::View;

/// The place where a command's operations are done.
pub(super) enum Session {
    /// On the data, by this process.
    Local(Box<Context>),
    /// At the service that `--server` names.
    Remote(Box<Remote>, Output),
}

impl Session {
    /// Returns the data, for a command that only works there.
    ///
    /// # Errors
    /// `InvalidParameter` of `server` where a service is named.
    pub(super) fn data(&self) -> Result<&Context> {
        match self {
            Self::Local(context) => Ok(context),
            Self::Remote(..) => Err(Error::invalid_parameter(
                "server",
                "this command works on the data alone: run it on the service's machine, without \
                 --server",
            )),
        }
    }

    pub(super) fn output(&self) -> &Output {
        match self {
            Self::Local(context) => &context.output,
            Self::Remote(_, output) => output,
        }
    }

    /// Does an operation.
    ///
    /// # Errors
    /// Those of the operation.
    pub(super) async fn ask<O: Operation>(&self, operation: O) -> Result<O::Answer> {
        match self {
            Self::Local(context) => operation.run(&context.service, &context.call()).await,
            Self::Remote(remote, _) => remote.ask(&operation).await,
        }
    }

    /// Does an operation, and prints its answer.
    ///
    /// # Errors
    /// Those of the operation, and of the output.
    pub(super) async fn print<O: Operation<Answer: View>>(&self, operation: O) -> Result<()> {
        let answer = self.ask(operation).await?;
        self.output().view(&answer)
    }

    /// Does an operation, and prints its answer, which can be read again.
    ///
    /// # Errors
    /// Those of the operation, and of the output.
    pub(super) async fn show<O: Operation<Answer: View>>(&self, operation: O) -> Result<()> {
        let answer = self.ask(operation).await?;
        self.output().show_view(&answer)
    }

    /// Prints a list, page by page.
    ///
    /// # Errors
    /// Those of the list, and of the output.
    pub(super) async fn list<L: Listing + Args + Clone>(&self, list: List<L>) -> Result<()> {
        let (listing, selection) = list.into_parts();
        self.pages(listing, selection).await
    }

    /// Prints what is selected of a list, page by page.
    ///
    /// # Errors
    /// Those of the list, and of the output.
    pub(super) async fn pages<L: Listing + Clone>(
        &self,
        listing: L,
        mut selection: Selection,
    ) -> Result<()> {
        let mut printed = self.output().listing()?;
        loop {
            let page = self.page(listing.clone(), &selection).await?;
            selection.limit = selection
                .limit
                .map(|limit| limit.saturating_sub(page.items.len()));
            selection.after = page.next;
            if printed.add(page.items)? == Stdout::Closed {
                return Ok(());
            }
            if selection.after.is_none() || selection.limit == Some(0) {
                return printed.end();
            }
        }
    }

    /// Returns all items of a list, which is short.
    ///
    /// # Errors
    /// Those of the list.
    pub(super) async fn all<L: Listing + Clone>(&self, listing: L) -> Result<Vec<L::Item>> {
        let (mut selection, mut all) = (Selection::default(), Vec::new());
        loop {
            let page = self.page(listing.clone(), &selection).await?;
            all.extend(page.items);
            selection.after = page.next;
            if selection.after.is_none() {
                return Ok(all);
            }
        }
    }

    async fn page<L: Listing>(&self, listing: L, selection: &Selection) -> Result<Page<L::Item>> {
        match self {
            Self::Local(context) => {
                listing
                    .page(&context.service, &context.call(), selection)
                    .await
            }
            Self::Remote(remote, _) => remote.page(&listing, selection).await,
        }
    }
}

/// The options of each command that lists.
#[derive(Args)]
pub(super) struct List<L: Args> {
    #[command(flatten)]
    listing: L,
    /// The most items.
    #[arg(long, value_name = "NUMBER", value_parser = limit)]
    limit: Option<usize>,
    /// The column by which the items are sorted; - before it begins with the largest.
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Only items whose column has this value; several filters must all hold.
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = filter)]
    filter: Vec<(String, String)>,
}

/// A list of nothing, whose place another takes.
#[derive(Args)]
pub(super) struct Nothing {}

impl<L: Args> List<L> {
    /// Divides it into the things that are listed, and the choice among them.
    pub(super) fn split(self) -> (L, List<Nothing>) {
        let rest = List {
            listing: Nothing {},
            limit: self.limit,
            sort: self.sort,
            filter: self.filter,
        };
        (self.listing, rest)
    }

    /// Makes the same choice among other things.
    pub(super) fn of<M: Args>(self, listing: M) -> List<M> {
        List {
            listing,
            limit: self.limit,
            sort: self.sort,
            filter: self.filter,
        }
    }

    fn into_parts(self) -> (L, Selection) {
        let selection = Selection {
            limit: self.limit,
            after: None,
            sort: self.sort,
            filters: self.filter,
        };
        (self.listing, selection)
    }
}

fn limit(text: &str) -> Result<usize> {
    let limit = text.parse().ok().filter(|limit| *limit > 0);
    limit.ok_or_else(|| Error::invalid_parameter("limit", "it is a number such as 100"))
}

fn filter(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((column, value)) if !column.is_empty() => Ok((column.to_owned(), value.to_owned())),
        _ => Err(Error::invalid_parameter(
            "filter",
            "a filter is written like state=disabled",
        )),
    }
}
