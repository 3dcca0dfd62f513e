//! Of systems whose streams stay where they were opened: nothing to watch.

use std::sync::Arc;

use super::OnMove;
use crate::{DeviceError, Direction, status::Status};

/// There is none.
pub(crate) enum Watch {}

/// There is no server that could fail to answer.
pub(super) fn check_host(_host: &str) -> Result<(), DeviceError> {
    Ok(())
}

/// Nothing can be told of any device.
pub(super) fn can_check(_device: &str) -> bool {
    false
}

/// There is no server that could be asked.
pub(super) fn check_device(_device: &str, _direction: Direction) -> Result<(), DeviceError> {
    Ok(())
}

/// Nobody mixes channels.
pub(super) fn check_channels(_device: &str, _direction: Direction) -> Result<(), DeviceError> {
    Ok(())
}

/// No default device has a name of its own.
pub(super) fn default_of(_host: &str, _direction: Direction) -> Option<&'static str> {
    None
}

/// Builds, and watches nothing.
pub(super) fn watched<T>(
    _id: &str,
    _direction: Direction,
    _on_move: OnMove,
    _status: &Arc<Status>,
    build: impl FnOnce() -> Result<T, DeviceError>,
) -> Result<(T, Option<Watch>), DeviceError> {
    Ok((build()?, None))
}
