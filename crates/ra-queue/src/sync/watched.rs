//! The atomics of the models: loom's, and each access knows the place in the source where it was written. Only under
//! `--cfg loom`; never part of a normal build.
//!
//! That is how faults are planted without a word of them in the code that is checked. The variable `RA_LOOM_FAULT` names
//! one, for the whole run:
//! - `relax:FILE:LINE:COLUMN`: the access there is Relaxed;
//! - `late:FILE:LINE:COLUMN`: the store there is carried out behind the next store that its thread makes elsewhere.
//!
//! A model that still passes then does not check what that place is for. With `RA_LOOM_PLACES` set, a model prints the
//! places that it went through; `cargo xtask loom` takes its faults from those lists.
// rt-lint: control-side file

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::{Arc, OnceLock};

pub(crate) use loom::sync::atomic::Ordering;
use loom::thread::{self, ThreadId};

/// A fault of the run.
#[derive(Debug)]
struct Fault {
    kind: FaultKind,
    file: String,
    line: u32,
    column: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FaultKind {
    Relax,
    Late,
}

type Place = &'static Location<'static>;
/// A place, what is done there, and how it is ordered in the source.
type Access = (Place, &'static str, Ordering);
type Store = Box<dyn FnOnce()>;

thread_local! {
    // All threads of a model run on one thread of the system.
    static HELD_BACK: RefCell<Vec<(ThreadId, Store)>> = const { RefCell::new(Vec::new()) };
    static PLACES: RefCell<Vec<Access>> = const { RefCell::new(Vec::new()) };
}

fn fault() -> Option<&'static Fault> {
    static FAULT: OnceLock<Option<Fault>> = OnceLock::new();
    let read = || {
        let text = std::env::var("RA_LOOM_FAULT").ok()?;
        let fault = parse(&text);
        assert!(fault.is_some(), "RA_LOOM_FAULT is {text:?}, expected relax:FILE:LINE:COLUMN or late:FILE:LINE:COLUMN");
        fault
    };
    FAULT.get_or_init(read).as_ref()
}

fn parse(text: &str) -> Option<Fault> {
    let (kind, place) = text.split_once(':')?;
    let kind = match kind {
        "relax" => FaultKind::Relax,
        "late" => FaultKind::Late,
        _ => return None,
    };
    let (place, column) = place.rsplit_once(':')?;
    let (file, line) = place.rsplit_once(':')?;
    Some(Fault { kind, file: file.to_owned(), line: line.parse().ok()?, column: column.parse().ok()? })
}

fn has_fault(kind: FaultKind, place: Place) -> bool {
    let is_here = |fault: &Fault| {
        fault.kind == kind && fault.line == place.line() && fault.column == place.column() && fault.file == place.file()
    };
    fault().is_some_and(is_here)
}

/// Called where an execution begins: nothing of the one before is left.
pub(crate) fn begin_execution() {
    HELD_BACK.take();
}

/// The places that this thread's models went through, one a line: what is done there, how it is ordered, and where.
pub(crate) fn places() -> BTreeSet<String> {
    let line = |(place, what, ordering): &Access| format!("{what} {ordering:?} {place}");
    PLACES.with_borrow(|places| places.iter().map(line).collect())
}

/// The ordering that an access has in this run.
fn ordering_of(what: &'static str, ordering: Ordering, place: Place) -> Ordering {
    PLACES.with_borrow_mut(|places| {
        // A few dozen, and those that come often come early.
        if !places.iter().any(|(known, ..)| std::ptr::eq(*known, place)) {
            places.push((place, what, ordering));
        }
    });
    if has_fault(FaultKind::Relax, place) { Ordering::Relaxed } else { ordering }
}

/// Carries out a store, unless it is to be late, and behind it those of this thread that were late.
fn carry_out(place: Place, store: Store) {
    if has_fault(FaultKind::Late, place) {
        let id = thread::current().id();
        HELD_BACK.with_borrow_mut(|held_back| held_back.push((id, store)));
        return;
    }
    store();
    carry_out_late();
}

/// Carries out what this thread held back; called behind its other stores, and where it ends.
pub(crate) fn carry_out_late() {
    if HELD_BACK.with_borrow(Vec::is_empty) {
        return;
    }
    let id = thread::current().id();
    // Taken out first: a store lets other threads of the model run, and they come here too.
    let late: Vec<_> = HELD_BACK.with_borrow_mut(|held_back| held_back.extract_if(.., |held| held.0 == id).collect());
    late.into_iter().for_each(|(_, store)| store());
}

macro_rules! watched {
    ($name:ident, $value:ty) => {
        /// As the type of the same name in `std`.
        #[derive(Debug)]
        pub(crate) struct $name(Arc<loom::sync::atomic::$name>);

        impl $name {
            #[track_caller]
            pub(crate) fn new(value: $value) -> Self {
                Self(Arc::new(loom::sync::atomic::$name::new(value)))
            }

            #[track_caller]
            pub(crate) fn load(&self, ordering: Ordering) -> $value {
                self.0.load(ordering_of("load", ordering, Location::caller()))
            }

            #[track_caller]
            pub(crate) fn store(&self, value: $value, ordering: Ordering) {
                let place = Location::caller();
                let ordering = ordering_of("store", ordering, place);
                let atomic = Arc::clone(&self.0);
                carry_out(place, Box::new(move || atomic.store(value, ordering)));
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new(<$value>::default())
            }
        }
    };
}

watched!(AtomicBool, bool);
watched!(AtomicU64, u64);
