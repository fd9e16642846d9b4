//! Bodies: read whole, within limits of size and time, and of the memory that all of them take
//! together ([`Budget`]).

mod budget;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

pub(crate) use self::budget::{Budget, Owner};
use self::budget::{Reservation, overloaded};
use crate::domain::{Error, ErrorKind, Result};

/// The most bytes of a refused body that are read.
const MAX_DISCARDED: usize = 64 << 20;

/// A body in memory; its share of the budget goes back when it is dropped.
#[derive(Debug)]
pub(crate) struct Buffered<'a> {
    /// The first frame, as it is; nearly every body has only one.
    first: Bytes,
    /// All frames, when there are more.
    gathered: BytesMut,
    reservation: Reservation<'a>,
}

impl<'a> Buffered<'a> {
    /// Begins with nothing.
    pub(crate) fn new(budget: &'a Budget, owner: Owner<'a>) -> Self {
        Self {
            first: Bytes::new(),
            gathered: BytesMut::new(),
            reservation: Reservation::new(budget, owner),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        if self.gathered.is_empty() {
            &self.first
        } else {
            &self.gathered
        }
    }

    /// Takes in the next frame of a body of at most `limit` bytes; one of trailers has no data.
    fn take_in(
        &mut self,
        next: Option<Result<Option<Bytes>, axum::Error>>,
        limit: usize,
    ) -> Result<Rest> {
        let Some(next) = next else {
            return Ok(Rest::None);
        };
        let next = next.map_err(|source| {
            Error::malformed_request("The request's body could not be received whole.")
                .caused_by(source)
        })?;
        let Some(data) = next else {
            return Ok(Rest::ToCome);
        };
        let room = limit - self.reservation.bytes();
        if data.len() > room {
            self.add(data.slice(..room))?;
            return Err(too_large(limit));
        }
        self.add(data)?;
        Ok(Rest::ToCome)
    }

    fn add(&mut self, data: Bytes) -> Result<()> {
        self.reservation.grow(data.len())?;
        if self.bytes().is_empty() {
            self.first = data;
            return Ok(());
        }
        if self.gathered.is_empty() {
            self.gathered
                .extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.gathered.extend_from_slice(&data);
        Ok(())
    }
}

/// Whether more of a body may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It may.
    ToCome,
    /// It is whole.
    None,
}

/// The treatment of a body whose announced length is beyond the limit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announced {
    /// Refuse it unread.
    Refuse,
    /// Read up to the limit anyway: the prefix tells which API to answer for.
    Begin,
}

/// Reads what has come of a body of at most `limit` bytes into `buffered`, which holds it even
/// after an error; tells whether the rest has to be waited for.
///
/// Nearly every body comes with its head: those need no timer, and give way to nobody.
///
/// # Errors
///
/// `RequestTooLarge`, `MalformedRequest` when it breaks off, and `Overloaded` when the budget is
/// used up.
pub(crate) async fn read_at_once(
    body: &mut Body,
    limit: usize,
    announced: Announced,
    buffered: &mut Buffered<'_>,
) -> Result<Rest> {
    if axum::body::HttpBody::is_end_stream(body) {
        return Ok(Rest::None);
    }
    if announced == Announced::Refuse
        && axum::body::HttpBody::size_hint(body).lower() > limit as u64
    {
        return Err(too_large(limit));
    }
    while let Poll::Ready(frame) =
        poll_fn(|context| Poll::Ready(pin!(body.frame()).poll(context))).await
    {
        if buffered.take_in(
            frame.map(|frame| frame.map(|frame| frame.into_data().ok())),
            limit,
        )? == Rest::None
        {
            return Ok(Rest::None);
        }
    }
    Ok(Rest::ToCome)
}

/// Reads the rest of a body of at most `limit` bytes within `timeout`, as [`read_at_once`].
///
/// # Errors
///
/// Those of [`read_at_once`], and `RequestTimeout`; `Overloaded` also when the body gives way to
/// others.
pub(crate) async fn read_rest(
    mut body: Body,
    limit: usize,
    timeout: Duration,
    buffered: &mut Buffered<'_>,
) -> Result<()> {
    let gives_way = buffered.reservation.wait();
    let rest = async {
        while buffered.take_in(
            body.frame()
                .await
                .map(|frame| frame.map(|frame| frame.into_data().ok())),
            limit,
        )? == Rest::ToCome
        {}
        buffered.reservation.finish()
    };
    tokio::select! {
        biased;
        () = gives_way.notified() => Err(overloaded()),
        read = tokio::time::timeout(timeout, rest) => {
            read.unwrap_or_else(|_| Err(too_slow(timeout)))
        }
    }
}

/// Reads the rest of a body that is refused, within `timeout` and a limit of size, and keeps none
/// of it. A client that still sends when its connection is closed may never see the refusal.
pub(crate) async fn discard(body: &mut Body, timeout: Duration) {
    let rest = async {
        let mut left = MAX_DISCARDED;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(less) => left = less,
                None => return,
            }
        }
    };
    // The refusal is sent, whether anybody can see it or not.
    tokio::time::timeout(timeout, rest).await.ok();
}

fn too_slow(timeout: Duration) -> Error {
    let seconds = timeout.as_secs();
    Error::new(
        ErrorKind::RequestTimeout,
        format!("The request's body did not arrive within {seconds} seconds."),
    )
}

/// Returns whether an error says that a body was waited for in vain.
pub(crate) fn never_came(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::RequestTimeout | ErrorKind::MalformedRequest
    )
}

/// Returns whether an error says that a body is too large.
pub(crate) fn is_too_large(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::RequestTooLarge { .. })
}

fn too_large(limit: usize) -> Error {
    Error::new(
        ErrorKind::RequestTooLarge { limit },
        format!("The request's body is larger than {limit} bytes."),
    )
    .decided_by(format!("a body of at most {limit} bytes is read there"))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::net::IpAddr;

    use super::*;

    fn stream(chunks: &'static [&'static str]) -> Body {
        let frames = chunks.iter().map(|chunk| {
            Ok::<_, Infallible>(hyper::body::Frame::data(Bytes::from_static(
                chunk.as_bytes(),
            )))
        });
        Body::new(Frames(frames.collect()))
    }

    struct Frames(std::collections::VecDeque<Result<hyper::body::Frame<Bytes>, Infallible>>);

    impl axum::body::HttpBody for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
            std::task::Poll::Ready(self.0.pop_front())
        }
    }

    /// A body of which no more comes.
    struct StreamThenEndless(Option<Bytes>);

    impl axum::body::HttpBody for StreamThenEndless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
            self.0.take().map_or(Poll::Pending, |data| {
                Poll::Ready(Some(Ok(hyper::body::Frame::data(data))))
            })
        }
    }

    async fn read<'a>(
        body: Body,
        limit: usize,
        timeout: Duration,
        budget: &'a Budget,
    ) -> Result<Buffered<'a>> {
        let mut buffered = Buffered::new(budget, owner(1, ""));
        read_whole(body, limit, timeout, Announced::Refuse, &mut buffered)
            .await
            .map(|()| buffered)
    }

    async fn read_whole(
        mut body: Body,
        limit: usize,
        timeout: Duration,
        announced: Announced,
        buffered: &mut Buffered<'_>,
    ) -> Result<()> {
        match read_at_once(&mut body, limit, announced, buffered).await? {
            Rest::None => Ok(()),
            Rest::ToCome => read_rest(body, limit, timeout, buffered).await,
        }
    }

    fn owner(last: u8, key: &'static str) -> Owner<'static> {
        Owner::new(Some(IpAddr::from([192, 0, 2, last])), key)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_body_is_gathered_and_its_share_given_back() {
        let budget = Budget::new(100);
        let body = read(stream(&["ab", "", "cd", "e"]), 10, SECOND, &budget)
            .await
            .unwrap();
        assert_eq!(body.bytes(), b"abcde");
        assert_eq!(budget.left(), 95);
        drop(body);
        assert_eq!(budget.left(), 100);
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_announced_or_not() {
        let budget = Budget::new(100);
        for body in [Body::from("abcdef"), stream(&["abc", "def"])] {
            let error = read(body, 5, SECOND, &budget).await.unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::RequestTooLarge { limit: 5 });
        }
        assert_eq!(budget.left(), 100);
    }

    #[tokio::test]
    async fn what_had_come_of_a_body_over_the_limit_can_be_looked_at() {
        let budget = Budget::new(100);
        for body in [Body::from("abcdef"), stream(&["abc", "def"])] {
            let mut buffered = Buffered::new(&budget, owner(1, ""));
            let error = read_whole(body, 5, SECOND, Announced::Begin, &mut buffered)
                .await
                .unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::RequestTooLarge { limit: 5 });
            assert_eq!(buffered.bytes(), b"abcde");
        }
    }

    #[tokio::test]
    async fn bodies_together_stay_within_the_budget() {
        let budget = Budget::new(8);
        let first = read(Body::from("abcde"), 10, SECOND, &budget)
            .await
            .unwrap();
        let error = read(Body::from("abcde"), 10, SECOND, &budget)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Overloaded);
        drop(first);
        assert!(read(Body::from("abcde"), 10, SECOND, &budget).await.is_ok());
    }

    #[tokio::test]
    async fn a_body_that_never_comes_is_cut_off() {
        let error = read(
            Body::new(StreamThenEndless(None)),
            10,
            Duration::from_millis(1),
            &Budget::new(8),
        )
        .await
        .unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::RequestTimeout);
    }

    #[tokio::test]
    async fn a_body_that_gives_way_is_not_waited_for() {
        let budget = Budget::new(10);
        let mut slow = Buffered::new(&budget, owner(1, ""));
        let body = Body::new(StreamThenEndless(Some(Bytes::from_static(b"12345678"))));
        let mut read = pin!(read_whole(
            body,
            10,
            Duration::from_secs(60),
            Announced::Refuse,
            &mut slow
        ));
        assert!(poll_fn(|context| Poll::Ready(read.as_mut().poll(context).is_pending())).await);
        let mut other = Reservation::new(&budget, owner(2, ""));
        other.wait();
        other.grow(5).unwrap();
        assert_eq!(read.await.unwrap_err().kind(), &ErrorKind::Overloaded);
    }
}
