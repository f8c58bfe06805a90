//! One pull of an account: every view once, all at the same time, so that the warehouse wakes once.
//!
//! ```text
//!  position ─▶ stretch ─▶ hours that differ ─▶ pieces ─┬▶ statement ─▶ rows ─▶ news ─▶ records ─▶ the walk
//!                                                      └── committed? ◀── the store ◀────────────────┘
//! ```
//!
//! A piece is done when the walk has let go of its records and the store knows all of them; only then the watermark moves.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use uncia_model::{Clock, Payload, Record};
use uncia_snowflake::decode::epoch_nanos;
use uncia_snowflake::views::AuditView;
use uncia_snowflake::{Client, Error, Statement};
use uncia_store::{Known, PullNote, PullPosition, PulledRow, RowKey, Store, StoreError};

use super::SnowflakeSourceConfig;
use super::rows::{Envelope, RowError, RowReader, news};
use super::statements::{self, Selection};
use super::window::{HOUR, Stretch, micros};

/// Records are handed on in parcels of so many, or so many bytes.
const PARCEL_RECORDS: usize = 10_000;
const PARCEL_BYTES: usize = 8 * 1024 * 1024;
/// A result that expired or came incomplete is asked for again so often.
const TRIES: usize = 3;

/// Rows on their way into the walk.
#[derive(Debug)]
pub struct Parcel {
    pub payload: Payload,
    pub records: Vec<Record>,
    /// The rows that the records are, in their order.
    pub rows: Arc<[PulledRow]>,
    /// They are history: no detection judges them.
    pub quiet: bool,
    /// Held by whoever still works on the rows.
    pub held: mpsc::Sender<Infallible>,
}

/// What became of one view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulled {
    /// Rows that were read.
    pub read: u64,
    /// Of these, new ones.
    pub new: u64,
    /// Known rows that are news again.
    pub revised: u64,
    /// New rows that an ordinary window would not have found.
    pub late: u64,
    /// Rows too large for an event.
    pub stubs: u64,
    pub statements: u64,
    /// The newest row, by the view's cursor.
    pub newest_micros: Option<i64>,
    /// The account does not have the view; some editions have not.
    pub absent: bool,
}

/// Why a view's pull ended early. What is committed stays, and the next one goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    #[error(transparent)]
    Snowflake(#[from] Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Row(#[from] RowError),
    #[error("the view lacks columns that its rows are of no use without: {}", .0.join(", "))]
    Columns(Vec<&'static str>),
    #[error("the server's time cannot be understood: {0}")]
    Time(String),
    #[error("the walk has ended")]
    Ended,
    #[error("rows were not committed")]
    NotCommitted,
}

impl PullError {
    /// Whether nothing will be read until a person has changed a credential, a grant or a view.
    #[must_use]
    pub fn needs_somebody(&self) -> bool {
        match self {
            Self::Snowflake(error) => error.needs_somebody(),
            Self::Columns(_) => true,
            _ => false,
        }
    }

    /// Whether it is trouble of ours, about which the account can do nothing.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Ended | Self::NotCommitted)
    }
}

/// Pulls one account.
pub struct AccountPuller {
    config: Arc<SnowflakeSourceConfig>,
    client: Client,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    /// What each view offers, as this process has seen it.
    selections: Mutex<HashMap<String, Arc<Selection>>>,
}

/// A piece's rows as they are read.
struct Intake<'a> {
    puller: &'a AccountPuller,
    view: &'a AuditView,
    feed: Arc<str>,
    out: &'a mpsc::Sender<Parcel>,
    /// Goes with every parcel, so that one can wait for the last of them.
    held: mpsc::Sender<Infallible>,
    begun: i64,
    /// What is not history, and what is.
    open: [Open; 2],
}

#[derive(Default)]
struct Open {
    records: Vec<Record>,
    rows: Vec<PulledRow>,
    bytes: usize,
}

impl AccountPuller {
    #[must_use]
    pub fn new(config: Arc<SnowflakeSourceConfig>, client: Client, store: Arc<Store>, clock: Arc<dyn Clock>) -> Self {
        Self { config, client, store, clock, selections: Mutex::default() }
    }

    #[must_use]
    pub fn config(&self) -> &SnowflakeSourceConfig {
        &self.config
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Pulls every view once. One that fails stops no other.
    pub async fn pull(
        &self,
        out: &mpsc::Sender<Parcel>,
    ) -> Result<Vec<(&'static AuditView, Result<Pulled, PullError>)>, PullError> {
        let now = self.server_time().await?;
        let views = self.config.audit_views();
        let pulls = views.into_iter().map(|view| async move {
            let pulled = self.pull_view(view, now, out).await;
            if let Err(error) = self.note(view, now, &pulled).await {
                tracing::warn!("{}: {error}", view.name);
            }
            (view, pulled)
        });
        Ok(futures::future::join_all(pulls).await)
    }

    /// Up to here the views are read: nobody's clock but the server's says what a view shows.
    pub async fn server_time(&self) -> Result<i64, PullError> {
        let answer = self.client.execute(&statements::time(&self.config)).await?;
        let columns = answer.columns.clone();
        let rows = answer.all_rows().await?;
        let cell = rows.first().and_then(|row| row.first()).and_then(Option::as_deref);
        let nanos = cell.zip(columns.first()).and_then(|(cell, column)| epoch_nanos(column, cell));
        let time = nanos.and_then(|nanos| i64::try_from(nanos.div_euclid(1_000)).ok());
        time.ok_or_else(|| PullError::Time(cell.unwrap_or("nothing").to_owned()))
    }

    async fn note(&self, view: &AuditView, now: i64, pulled: &Result<Pulled, PullError>) -> Result<(), StoreError> {
        let note = match pulled {
            Ok(pulled) => PullNote {
                checked_micros: Some(now),
                newest_micros: pulled.newest_micros,
                found_late: pulled.late,
                cut_short: pulled.stubs,
                problem: pulled.absent.then(|| "the account does not have this view, or does not show it".to_owned()),
            },
            Err(error) => PullNote { problem: Some(error.to_string()), ..PullNote::default() },
        };
        self.store.note_pull(&self.config.id, &view.feed(), &note).await
    }

    async fn pull_view(
        &self,
        view: &'static AuditView,
        now: i64,
        out: &mpsc::Sender<Parcel>,
    ) -> Result<Pulled, PullError> {
        let mut pulled = Pulled::default();
        let selection = match self.selection(view, &mut pulled).await {
            Ok(selection) => selection,
            Err(PullError::Snowflake(error)) if view.enterprise && error.is_not_authorised() => {
                return Ok(Pulled { absent: true, ..pulled });
            }
            Err(error) => return Err(error),
        };
        let feed = view.feed();
        let before = self.store.pull_position(&self.config.id, &feed).await?;
        let backfill = Duration::from_secs(u64::from(self.config.backfill_hours) * 3_600);
        let stretch = Stretch::next(view, before, now, backfill);
        // What an ordinary run would have read.
        let expected =
            before.map_or(i64::MIN, |position| position.watermark_micros.saturating_sub(micros(view.overlap)));
        let mut watermark = before.map_or(stretch.from, |position| position.watermark_micros);
        let swept = before.map_or(now, |position| position.swept_micros);
        let counted = self.counted(view, &selection, &stretch, before, &mut pulled).await?;
        let windows = match &counted {
            Some(counted) => stretch.windows(watermark, &counted.differing, |hours| counted.are_few(hours)),
            None => vec![(stretch.from, stretch.to)],
        };
        for window in windows {
            let mut pieces = stretch.pieces(window);
            let mut tries = 0;
            while let Some(window) = pieces.current() {
                let piece = Piece { view, window, begun: stretch.begun, expected };
                let read = match self.piece(&piece, &selection, &mut pulled, out).await {
                    Ok(read) => read,
                    Err(PullError::Snowflake(error)) if error.wants_less() && pieces.halve() => continue,
                    Err(PullError::Snowflake(error)) if error.wants_again() && tries < TRIES => {
                        tries += 1;
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                pieces.done(read);
                tries = 0;
                if window.1 <= watermark && before.is_some() {
                    continue;
                }
                watermark = watermark.max(window.1);
                let position =
                    PullPosition { watermark_micros: watermark, swept_micros: swept, begun_micros: stretch.begun };
                self.store.set_pull_position(&self.config.id, &feed, position).await?;
            }
        }
        if stretch.sweep {
            if counted.is_none() {
                self.reconcile(&stretch, view, &selection, &mut pulled, out).await?;
            }
            let position =
                PullPosition { watermark_micros: watermark.max(now), swept_micros: now, begun_micros: stretch.begun };
            self.store.set_pull_position(&self.config.id, &feed, position).await?;
            let oldest = now.saturating_sub(micros(view.memory()));
            self.store.prune_pulled_rows(&self.config.id, &feed, oldest.div_euclid(HOUR)).await?;
        }
        Ok(pulled)
    }

    /// Asks for the view's columns once in a process' life: accounts, editions and copies of views differ.
    async fn selection(&self, view: &AuditView, pulled: &mut Pulled) -> Result<Arc<Selection>, PullError> {
        let feed = view.feed();
        if let Some(known) = lock(&self.selections).get(&feed) {
            return Ok(known.clone());
        }
        pulled.statements += 1;
        let there = self.columns_there(view.name, &feed).await?;
        let selection = statements::selection(view, &there);
        if !selection.missing.is_empty() {
            return Err(PullError::Columns(selection.missing));
        }
        if !selection.unknown.is_empty() {
            tracing::info!("{feed} has columns that are not read: {}", selection.unknown.join(", "));
        }
        let selection = Arc::new(selection);
        lock(&self.selections).insert(feed, selection.clone());
        Ok(selection)
    }

    /// The columns that the account's view has, by its names.
    pub(super) async fn columns_there(&self, view: &str, feed: &str) -> Result<Vec<String>, PullError> {
        let shape = self.client.execute(&statements::describe(&self.config, view, feed)).await?;
        Ok(shape.columns.iter().map(|column| column.name.clone()).collect())
    }

    /// Reads a window and waits until its news are committed. Returns the rows read.
    async fn piece(
        &self,
        piece: &Piece<'_>,
        selection: &Selection,
        pulled: &mut Pulled,
        out: &mpsc::Sender<Parcel>,
    ) -> Result<u64, PullError> {
        let Piece { view, window: (from, to), .. } = *piece;
        let hours = from.div_euclid(HOUR)..to.div_euclid(HOUR) + 1;
        let feed: Arc<str> = view.feed().into();
        let mut known = self.store.pulled_rows(&self.config.id, &feed, hours.clone()).await?;
        pulled.statements += 1;
        let statement = statements::rows(&self.config, view, &selection.list, (from, to));
        let (held, mut let_go) = mpsc::channel(1);
        let mut intake =
            Intake { puller: self, view, feed: feed.clone(), out, held, begun: piece.begun, open: Default::default() };
        let read = self.read(piece, &statement, &mut known, &mut intake).await;
        drop(intake);
        // After a failure too: what was handed on may become visible, and must be known before it is read again.
        let none: Option<Infallible> = let_go.recv().await;
        debug_assert!(none.is_none());
        let count = read?;
        if count.new + count.revised > 0 {
            // Nobody else adds to them: they are all there if there are as many.
            let (rows, revisions) = self.store.pulled_total(&self.config.id, &feed, hours).await?;
            let expected: u64 = known.values().map(|known| u64::from(known.revision)).sum();
            if rows < known.len() as u64 || revisions < expected {
                return Err(PullError::NotCommitted);
            }
        }
        pulled.add(&count);
        Ok(count.read)
    }

    /// Hands on what is news of a statement's rows, and adds it to what is known.
    async fn read(
        &self,
        piece: &Piece<'_>,
        statement: &Statement,
        known: &mut HashMap<RowKey, Known>,
        intake: &mut Intake<'_>,
    ) -> Result<Pulled, PullError> {
        let mut answer = self.client.execute(statement).await?;
        let columns = answer.columns.clone();
        let reader = RowReader::new(piece.view, &columns)?;
        let mut count = Pulled::default();
        while let Some(rows) = answer.next_rows().await? {
            for row in &rows {
                count.read += 1;
                let identified = reader.identify(row)?;
                count.newest_micros = count.newest_micros.max(Some(identified.micros));
                let Some(news) = news(known, &identified) else { continue };
                known.insert(identified.key, news.known);
                match news.known.revision {
                    0 => count.new += 1,
                    _ => count.revised += 1,
                }
                count.late += u64::from(identified.micros < piece.expected && news.known.revision == 0);
                count.stubs += u64::from(intake.add(&reader, row, &identified, news)?);
                intake.send_full().await?;
            }
        }
        intake.send_all().await?;
        Ok(count)
    }

    /// Compares how many rows each hour has with how many are committed, and reads hours again that have more.
    async fn reconcile(
        &self,
        stretch: &Stretch,
        view: &AuditView,
        selection: &Selection,
        pulled: &mut Pulled,
        out: &mpsc::Sender<Parcel>,
    ) -> Result<(), PullError> {
        // Whole hours only; those of the last windows are read again anyway.
        let from = stretch.from.div_euclid(HOUR) + i64::from(stretch.from.rem_euclid(HOUR) > 0);
        let to = stretch.to.saturating_sub(micros(view.overlap)).div_euclid(HOUR);
        if from >= to {
            return Ok(());
        }
        let theirs = self.counts(view, selection, (from * HOUR, to * HOUR), pulled).await?;
        let ours = self.store.pulled_counts(&self.config.id, &view.feed(), from..to).await?;
        for (hour, count) in theirs {
            if count.rows <= ours.get(&hour).copied().unwrap_or_default().rows {
                continue;
            }
            let window = (hour * HOUR, (hour + 1) * HOUR);
            let piece = Piece { view, window, begun: stretch.begun, expected: i64::MAX };
            self.piece(&piece, selection, pulled, out).await?;
        }
        Ok(())
    }
}

/// A window of a view.
#[derive(Clone, Copy)]
struct Piece<'a> {
    view: &'a AuditView,
    window: (i64, i64),
    begun: i64,
    /// New rows before it are late.
    expected: i64,
}

impl Intake<'_> {
    /// Takes a row that is news; says whether it is only a stub.
    fn add(
        &mut self,
        reader: &RowReader<'_>,
        row: &[Option<String>],
        identified: &super::rows::Identified,
        news: super::rows::News,
    ) -> Result<bool, PullError> {
        let config = &self.puller.config;
        let backfill = identified.micros < self.begun;
        let open = &mut self.open[usize::from(backfill)];
        let row_id = reader.row_id(&config.id, identified, news.known.revision);
        let envelope = Envelope { revision: news.known.revision, grown: news.grown, backfill };
        let ordinal = open.records.len() as u64;
        let (record, stub) = reader.record(row, ordinal, row_id, envelope);
        if stub {
            tracing::warn!("{}: a row is too large for an event; a stub is kept of it", self.view.name);
        }
        open.bytes += record.bytes.len();
        open.records.push(record);
        open.rows.push(PulledRow {
            source: config.id.clone(),
            view: self.feed.clone(),
            hour: identified.hour,
            key: identified.key,
            known: news.known,
        });
        Ok(stub)
    }

    async fn send_full(&mut self) -> Result<(), PullError> {
        for place in 0..self.open.len() {
            let open = &self.open[place];
            if open.records.len() >= PARCEL_RECORDS || open.bytes >= PARCEL_BYTES {
                self.send(place).await?;
            }
        }
        Ok(())
    }

    async fn send_all(&mut self) -> Result<(), PullError> {
        for place in 0..self.open.len() {
            if !self.open[place].records.is_empty() {
                self.send(place).await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self, place: usize) -> Result<(), PullError> {
        let Open { records, rows, .. } = std::mem::take(&mut self.open[place]);
        // The same rows make the same parcel, and other rows another one.
        let mut hasher = blake3::Hasher::new();
        for record in &records {
            hasher.update(record.identity.map(|id| id.hex()).unwrap_or_default().as_slice());
        }
        let key = format!("snowflake:{}:{}", self.feed, hasher.finalize().to_hex());
        let payload = self.puller.payload(self.view.name, key, self.view.log_type);
        let parcel = Parcel { payload, records, rows: rows.into(), quiet: place == 1, held: self.held.clone() };
        self.out.send(parcel).await.map_err(|_| PullError::Ended)
    }
}

impl Pulled {
    fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.new += other.new;
        self.revised += other.revised;
        self.late += other.late;
        self.stubs += other.stubs;
        self.newest_micros = self.newest_micros.max(other.newest_micros);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
