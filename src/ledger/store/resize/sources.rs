//! What the old ledgers hold, and where each part of it goes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rusqlite::Connection;

use super::{FolderSet, PlacedClient, ResizeError, ResizePlan, owner};
use crate::clock::{Clock, ClockReading};
use crate::ledger::client::ClientState;
use crate::ledger::settings::ClientKey;
use crate::ledger::store::contents::Contents;
use crate::ledger::store::folder::{COPY, LEDGER};
use crate::ledger::store::opening::{Found, Origin, copied, find, read_file};
use crate::ledger::store::rows::{ClientRow, JournalRow, MeterId, MeterRow};
use crate::ledger::store::{JOURNAL_ROWS, OpenError};
use crate::shard::LedgerPlace;
use crate::storage::StoreFault;
use crate::units::Name;

/// Rows of a journal that are read at a time.
const PAGE: i64 = 1000;

/// The old ledgers, and the new places of their rows.
pub(super) struct Sources {
    ledgers: Vec<Source>,
    /// By name; with the ledger that it is in.
    meters: BTreeMap<Name, Placed<MeterRow>>,
    clients: BTreeMap<ClientKey, Placed<ClientRow>>,
    /// The new place of each client, by its name in the history.
    in_history: BTreeMap<String, usize>,
    places: usize,
    names: BTreeMap<Name, usize>,
    /// What the operator should know.
    pub(super) notes: Vec<String>,
}

struct Source {
    folder: PathBuf,
    contents: Contents,
    connection: Connection,
    /// The names of its meters, also of those that another ledger has with a higher figure.
    names: BTreeMap<MeterId, Name>,
}

struct Placed<T> {
    source: usize,
    place: usize,
    row: T,
}

/// The rows of one new ledger.
pub(super) struct NewContents {
    pub(super) meters: Vec<MeterRow>,
    pub(super) clients: Vec<ClientRow>,
    pub(super) journal: Vec<JournalRow>,
}

impl Sources {
    /// Reads the old ledgers. The folders of new shards must have none, or an empty one.
    pub(super) fn read(set: &FolderSet, plan: &ResizePlan) -> Result<Self, ResizeError> {
        let ledgers = set.old.iter().map(read_source).collect::<Result<Vec<_>, _>>()?;
        for place in set.new.iter().filter(|place| !set.old.iter().any(|old| old.folder == place.folder)) {
            let there = [LEDGER, COPY].map(|name| place.folder.join(name)).into_iter().find(|path| path.exists());
            let Some(path) = there else { continue };
            let (_, contents) = read_file(&path).map_err(|fault| OpenError::of("read", &path, fault))?;
            if !contents.meters.is_empty() || !contents.clients.is_empty() {
                return Err(ResizeError::Occupied { place: place.clone(), meters: contents.meters.len() });
            }
        }
        let names = plan.clients.values().map(|client| (client.name.clone(), client.place)).collect();
        let (meters, clients, in_history, notes) = Default::default();
        let mut sources = Sources { ledgers, meters, clients, in_history, places: set.new.len(), names, notes };
        sources.place_meters(plan);
        sources.place_clients(plan)?;
        sources.in_history = sources.clients.iter().map(|(key, placed)| (key.in_history(), placed.place)).collect();
        Ok(sources)
    }

    /// Whether each meter is in its place already.
    pub(super) fn is_in_place(&self) -> bool {
        let meters = self.meters.values().all(|placed| placed.source == placed.place);
        meters && self.clients.values().all(|placed| placed.source == placed.place) && self.notes.is_empty()
    }

    pub(super) fn meters(&self) -> usize {
        self.meters.len()
    }

    pub(super) fn clients(&self) -> usize {
        self.clients.len()
    }

    /// The last commit of all.
    pub(super) fn at(&self) -> ClockReading {
        let commits = self.ledgers.iter().filter_map(|source| source.contents.ledger.at);
        commits.max_by_key(|at| at.wall).unwrap_or_else(|| Clock::system().now())
    }

    /// The highest generation of a ledger or copy in that folder.
    pub(super) fn generation(&self, place: &LedgerPlace) -> u64 {
        let files = [LEDGER, COPY].map(|name| copied(&place.folder.join(name)));
        files.into_iter().flatten().map(|row| row.generation).max().unwrap_or(0)
    }

    /// The folders of the old ledgers.
    pub(super) fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        self.ledgers.iter().map(|source| &source.folder)
    }

    /// The new place of a meter that this old ledger, or its history, has.
    pub(super) fn place_of_meter(&self, source: usize, name: &str) -> usize {
        self.meters.get(name).map_or_else(|| self.stays(source), |placed| placed.place)
    }

    /// The new place of a client by its name in the history.
    pub(super) fn place_of_client(&self, source: usize, in_history: &str) -> usize {
        self.in_history.get(in_history).copied().unwrap_or_else(|| self.stays(source))
    }

    /// Where something goes that the configuration does not name: where it is, if that place remains.
    fn stays(&self, source: usize) -> usize {
        source % self.places
    }

    fn place_meters(&mut self, plan: &ResizePlan) {
        for (source, ledger) in self.ledgers.iter().enumerate() {
            for (name, row) in &ledger.contents.meters {
                let place = plan.meters.get(name).copied().unwrap_or_else(|| self.stays(source));
                let placed = Placed { source, place, row: row.clone() };
                let Some(other) = self.meters.get(name) else {
                    self.meters.insert(name.clone(), placed);
                    continue;
                };
                if other.row.state.published().is_some() && row.state.published().is_some() {
                    self.notes.push(format!("meter {name} was in two ledgers: the higher of its figures is kept"));
                }
                if row.state.published() > other.row.state.published() {
                    self.meters.insert(name.clone(), placed);
                }
            }
        }
    }

    fn place_clients(&mut self, plan: &ResizePlan) -> Result<(), ResizeError> {
        for (source, ledger) in self.ledgers.iter().enumerate() {
            for (key, row) in &ledger.contents.clients {
                let configured = plan.clients.get(key);
                let first = row.state.counted.keys().next().and_then(|id| ledger.names.get(id));
                let of_member = || first.map(|name| self.place_of_meter(source, name.as_str()));
                let place = configured.map(|client| client.place).or_else(of_member);
                let place = place.unwrap_or_else(|| self.stays(source));
                if self.clients.get(key).is_some_and(|other| other.row.state.energy >= row.state.energy) {
                    continue;
                }
                let state = self.state_of_client(ledger, source, place, configured, row)?;
                let row = ClientRow { state, ..row.clone() };
                self.clients.insert(key.clone(), Placed { source, place, row });
            }
        }
        Ok(())
    }

    /// The client without the members that are in another place. What they have consumed until now remains.
    fn state_of_client(
        &self,
        ledger: &Source,
        source: usize,
        place: usize,
        configured: Option<&PlacedClient>,
        row: &ClientRow,
    ) -> Result<ClientState, ResizeError> {
        let here =
            |id: &MeterId| ledger.names.get(id).is_some_and(|name| self.place_of_meter(source, name.as_str()) == place);
        let mut state = row.state.clone();
        if state.counted.keys().all(here) {
            return Ok(state);
        }
        let members: Vec<MeterId> = match configured {
            None => state.counted.keys().copied().filter(|id| here(id)).collect(),
            Some(client) => {
                client.meters.iter().filter_map(|name| Some(ledger.contents.meters.get(name)?.id)).collect()
            }
        };
        if state.energy.is_some() {
            state.settle(&members, |id| ledger.contents.meters.get(ledger.names.get(&id)?)?.state.published());
        } else {
            state.counted.retain(|id, _| here(id));
        }
        match state.counted.keys().find(|id| !here(id)) {
            None => Ok(state),
            Some(id) => {
                let meter =
                    ledger.names.get(id).cloned().unwrap_or_else(|| Name::new("unknown").expect("it is a name"));
                Err(ResizeError::CatchingUp { client: row.key.client_id, meter })
            }
        }
    }

    /// The rows of the new ledger at that place.
    pub(super) fn contents_of(&self, place: usize) -> Result<NewContents, StoreFault> {
        let here = self.meters.iter().filter(|(_, placed)| placed.place == place);
        let mut ids = BTreeMap::new();
        let mut meters = Vec::new();
        for (index, (name, placed)) in here.enumerate() {
            let id = MeterId(index as i64 + 1);
            ids.insert(name, id);
            meters.push(MeterRow { id, ..placed.row.clone() });
        }
        let figures: BTreeMap<_, _> = meters.iter().map(|row| (row.id, row.state.published())).collect();
        let here = self.clients.values().filter(|placed| placed.place == place);
        let clients = here.enumerate().map(|(index, placed)| {
            let new_id = |old: &MeterId| ids.get(self.ledgers[placed.source].names.get(old)?).copied();
            let counted = placed.row.state.counted.iter().filter_map(|(old, counted)| Some((new_id(old)?, *counted)));
            let mut state = ClientState { counted: counted.collect(), ..placed.row.state.clone() };
            // Only of a meter that was in two ledgers is the figure another one.
            state.follow(|id| figures.get(&id).copied().flatten());
            ClientRow { id: index as i64 + 1, key: placed.row.key.clone(), state }
        });
        let clients = clients.collect();
        Ok(NewContents { meters, clients, journal: self.journal_of(place, &ids)? })
    }

    /// The entries about the meters and clients at that place, and about the ledgers that were there, in the order of time.
    fn journal_of(&self, place: usize, ids: &BTreeMap<&Name, MeterId>) -> Result<Vec<JournalRow>, StoreFault> {
        let mut rows = Vec::new();
        for (source, ledger) in self.ledgers.iter().enumerate() {
            let mut after = 0;
            loop {
                let page = JournalRow::read(&ledger.connection, "WHERE id > ?1 ORDER BY id LIMIT ?2", [after, PAGE])?;
                let Some(last) = page.last() else { break };
                after = last.id;
                let here = page
                    .into_iter()
                    .filter(|row| row.word != "unreadable" && self.place_of_entry(source, row) == place);
                rows.extend(here.map(|row| (source, row)));
            }
        }
        rows.sort_by_key(|(source, row)| (row.last, *source, row.id));
        // One entry about the resize follows.
        let excess = rows.len().saturating_sub(usize::try_from(JOURNAL_ROWS - 1).unwrap_or(usize::MAX));
        rows.drain(..excess);
        let numbers: BTreeMap<_, _> =
            rows.iter().enumerate().map(|(index, (source, row))| ((*source, row.id), index as i64 + 1)).collect();
        let renumbered = rows.into_iter().map(|(source, mut row)| {
            row.meter = row.meter.and_then(|old| ids.get(self.ledgers[source].names.get(&old)?).copied());
            if let Some(undoes) = row.entry.as_mut().and_then(|entry| entry.undoes.as_mut()) {
                // 0 is no entry: the one that was undone is gone.
                *undoes = numbers.get(&(source, *undoes)).copied().unwrap_or(0);
            }
            JournalRow { id: numbers[&(source, row.id)], ..row }
        });
        Ok(renumbered.collect())
    }

    fn place_of_entry(&self, source: usize, row: &JournalRow) -> usize {
        let meter = row.meter.and_then(|id| self.ledgers[source].names.get(&id));
        let of_meter = meter.map(|name| self.place_of_meter(source, name.as_str()));
        let of_client = || row.client.as_ref().and_then(|client| self.names.get(client)).copied();
        of_meter.or_else(of_client).unwrap_or_else(|| self.stays(source))
    }
}

fn read_source(place: &LedgerPlace) -> Result<Source, ResizeError> {
    let damaged = |why| ResizeError::Damaged { place: place.clone(), why };
    let Found { connection, contents, origin } =
        find(&place.folder, "read", read_file).map_err(|error| match error {
            OpenError::Nothing { .. } => ResizeError::NoLedger { place: place.clone() },
            OpenError::Damaged { why, copy, .. } => ResizeError::Lost { place: place.clone(), why, copy },
            other => other.into(),
        })?;
    match origin {
        Origin::Ledger | Origin::Backup => {}
        Origin::Copy(why) | Origin::Earlier(why) => return Err(damaged(why)),
    }
    let found = owner(&contents.ledger);
    if found != place.shard && (found.is_some() || contents.ledger.machine.is_some()) {
        let found = found.map_or("no shard".to_owned(), |shard| format!("shard {shard}"));
        return Err(ResizeError::OtherOwner { place: place.clone(), found });
    }
    if contents.ledger.retired.is_some() {
        return Err(ResizeError::Retired { place: place.clone() });
    }
    let names = contents.names();
    Ok(Source { folder: place.folder.clone(), contents, connection, names })
}
