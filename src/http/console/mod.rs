//! The console: the operations of `admin` as pages for a browser.
//!
//! Pages are written on the server, and can be read without JavaScript. Nearly all follow from the
//! table of operations: a new operation has its list, its page or its form without a line here.
//! Start with [`door`], then [`pages`].

mod assets;
mod cookie;
mod door;
mod envelope;
mod frame;
mod pages;
mod protection;
mod sso;
mod tree;
mod words;

pub(crate) use self::door::Console;
