//! Why a device can't be found, opened or started.

use crate::Direction;

/// What can go wrong with a device, on the control side. What goes wrong in callbacks is a [`crate::DeviceEvent`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// No device has this id.
    #[error("no {direction} device {id:?}{}; {}", suggestion(nearest), inventory(available))]
    NotFound {
        /// What was asked for.
        id: String,
        /// In which direction.
        direction: Direction,
        /// The id that looks most like it, where one does.
        nearest: Option<String>,
        /// Every id of that direction that there is.
        available: Vec<String>,
    },
    /// There is no default device.
    #[error("no default {direction} device: {reason}")]
    NoDefault {
        /// In which direction.
        direction: Direction,
        /// What each sound system said.
        reason: String,
    },
    /// The device lacks a channel that was asked for.
    #[error(
        "channel {asked} was asked for, expected 1 to {most}: the device can be opened with {} channels",
        join(available)
    )]
    Channels {
        /// The highest channel that was asked for, counted from 1; 0 is no channel.
        asked: u16,
        /// The highest channel that there is.
        most: u16,
        /// The channel counts with which the device can be opened.
        available: Vec<u16>,
    },
    /// A selection of channels that no device could serve.
    #[error("a selection of {actual:?} was asked for, expected 1 to {most} channels, counted from 1")]
    NoChannels {
        /// What was asked for.
        actual: Vec<u16>,
        /// The most channels that a source can have.
        most: u16,
    },
    /// A PulseAudio device whose channels would come mixed, or not at all: the server goes by their positions.
    #[error(
        "{id} has channels at {}, which PulseAudio would not give one by one: make a device of it whose channels it \
         does, and use that: {remedy}",
        positions.join(", ")
    )]
    ChannelMap {
        /// The device.
        id: String,
        /// Its channels' positions, by PulseAudio's names.
        positions: Vec<String>,
        /// The command that makes another device of it, which can be used.
        remedy: String,
    },
    /// The device offers nothing that can be converted to or from float samples.
    #[error("no usable sample format: the device offers {offered}")]
    Format {
        /// What it offers.
        offered: String,
    },
    /// The sound system refused.
    #[error("can't {operation}: {message}")]
    Refused {
        /// What was tried.
        operation: &'static str,
        /// What it said.
        message: String,
    },
    /// The sound server does not answer questions: it hangs or is stopped. Nothing was left behind.
    #[error("can't {operation}: no answer within {limit_ms} ms")]
    Unanswered {
        /// What was tried.
        operation: &'static str,
        /// How long it was waited for, in milliseconds.
        limit_ms: u64,
    },
    /// There is no such device now, or no such server: it may come, or come back.
    #[error("can't {operation}: {message}")]
    Away {
        /// What was tried.
        operation: &'static str,
        /// What is not there.
        message: String,
    },
    /// The sound system did not answer. The thread that asks it was left behind.
    #[error("can't {operation}: no answer within {limit_ms} ms")]
    TimedOut {
        /// What was tried.
        operation: &'static str,
        /// How long it was waited for, in milliseconds.
        limit_ms: u64,
    },
}

impl DeviceError {
    /// Whether the device is not there, or nobody who could say so: rather than there, and not to be had.
    pub fn is_away(&self) -> bool {
        matches!(
            self,
            DeviceError::Away { .. }
                | DeviceError::Unanswered { .. }
                | DeviceError::NotFound { .. }
                | DeviceError::NoDefault { .. }
        )
    }
}

fn suggestion(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|id| format!(" (did you mean {id:?}?)")).unwrap_or_default()
}

fn inventory(available: &[String]) -> String {
    if available.is_empty() { "there is none".to_owned() } else { format!("there is {}", available.join(", ")) }
}

fn join(counts: &[u16]) -> String {
    counts.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}
