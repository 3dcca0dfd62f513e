//! Every call that a recorder makes on its file, with how much it had taken by then. Changes nothing.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use ra_sinks::{StorageCall, StorageTap};

/// A call that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Create,
    Write { offset: u64, bytes: Vec<u8> },
    SetLen { len: u64 },
    Sync,
    SyncDirectory,
}

/// A call, and when it was.
#[derive(Clone, Debug)]
pub(super) struct Noted {
    pub(super) call: Call,
    /// Frames that the recorder had taken when the call was made; those of the step that led to it are not among them.
    pub(super) taken_frames: u64,
}

/// The calls so far.
#[derive(Debug, Default)]
pub(super) struct CallLog {
    calls: Mutex<Vec<Noted>>,
    taken_frames: AtomicU64,
}

impl CallLog {
    /// Says how far the recording is.
    pub(super) fn taken(&self, n_frames: u64) {
        // One thread records and calls: nothing is ordered by this.
        self.taken_frames.store(n_frames, Ordering::Relaxed);
    }

    pub(super) fn take(&self) -> Vec<Noted> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl StorageTap for CallLog {
    fn after(&self, _: &Path, call: StorageCall<'_>) {
        let call = match call {
            StorageCall::Create => Call::Create,
            StorageCall::Write { offset, bytes } => Call::Write { offset, bytes: bytes.to_vec() },
            StorageCall::SetLen { len } => Call::SetLen { len },
            StorageCall::Sync => Call::Sync,
            StorageCall::SyncDirectory => Call::SyncDirectory,
            _ => return,
        };
        let taken_frames = self.taken_frames.load(Ordering::Relaxed);
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(Noted { call, taken_frames });
    }
}
