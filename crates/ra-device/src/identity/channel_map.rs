//! Whether the channels of a PulseAudio device come as they are. The server matches channels by their positions, never by
//! their numbers, and cpal asks for positions of its own choice: of a device that has others it would bring mixtures and
//! silence. Pure.

use pulseaudio::protocol::{ChannelMap, ChannelPosition};

use crate::{DeviceError, Direction};

/// Of most counts up to 8, the first ones.
const SURROUND: [&str; 8] =
    ["front-left", "front-right", "front-center", "lfe", "rear-left", "rear-right", "side-left", "side-right"];
const TOP: [&str; 4] = ["top-front-left", "top-front-right", "top-rear-left", "top-rear-right"];

/// The positions that cpal 0.18 asks for (`make_channel_map` of its PulseAudio host), by PulseAudio's names.
fn asked_for(n_channels: usize) -> Vec<String> {
    let names: Vec<&str> = match n_channels {
        1 => vec!["mono"],
        2 | 3 | 6 | 8 => SURROUND[..n_channels].to_vec(),
        4 => vec!["front-left", "front-right", "rear-left", "rear-right"],
        5 => vec!["front-left", "front-right", "front-center", "rear-left", "rear-right"],
        7 => SURROUND[..6].iter().copied().chain(["rear-center"]).collect(),
        10 | 12 => SURROUND.iter().chain(&TOP[..n_channels - 8]).copied().collect(),
        _ => return (0..n_channels).map(|i| format!("aux{i}")).collect(),
    };
    names.into_iter().map(str::to_owned).collect()
}

/// PulseAudio's name for a position: `front-left`, `aux0`.
fn name_of(position: ChannelPosition) -> String {
    let mut name = String::new();
    for letter in format!("{position:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

/// Fails for a device, called `name` by the server, whose channels would not come one by one. One that has the positions
/// that are asked for in another order is none of those: its channels come in the order that is asked for.
///
/// # Errors
/// [`DeviceError::ChannelMap`], with what makes a device of it that can be used.
pub(super) fn check(name: &str, direction: Direction, map: &ChannelMap) -> Result<(), DeviceError> {
    let positions: Vec<String> = map.into_iter().map(name_of).collect();
    let asked_for = asked_for(positions.len());
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    // The server gives a mono stream the one channel, wherever that is.
    if positions.len() == 1 || sorted(&positions) == sorted(&asked_for) {
        return Ok(());
    }
    let kind = match direction {
        Direction::Input => "source",
        Direction::Output => "sink",
    };
    let (n, theirs, ours) = (positions.len(), positions.join(","), asked_for.join(","));
    let remedy = format!(
        "pactl load-module module-remap-{kind} {kind}_name={name}.plain master={name} channels={n} \
         master_channel_map={theirs} channel_map={ours} remix=no"
    );
    Err(DeviceError::ChannelMap { id: format!("pulseaudio:{name}"), positions, remedy })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ChannelPosition::*;

    #[test]
    fn positions_that_are_asked_for_pass_in_any_order_and_so_does_one_channel() {
        let surround_51 = [FrontLeft, FrontRight, RearLeft, RearRight, FrontCenter, Lfe];
        let seven = [FrontLeft, FrontRight, FrontCenter, Lfe, RearLeft, RearRight, RearCenter];
        let aux: Vec<_> = [Aux0, Aux1, Aux2, Aux3, Aux4, Aux5, Aux6, Aux7, Aux8].to_vec();
        for map in
            [&[Aux7][..], &[Mono], &[FrontLeft, FrontRight], &[FrontRight, FrontLeft], &surround_51, &seven, &aux]
        {
            assert_eq!(check("x", Direction::Input, &ChannelMap::new(map.iter().copied())), Ok(()), "{map:?}");
        }
    }

    #[test]
    fn others_are_refused_with_the_line_that_helps() {
        let four = [Aux0, Aux1, Aux2, Aux3];
        for map in
            [&[Aux0, Aux1][..], &four, &[FrontLeft, FrontRight, FrontCenter, Lfe], &[Mono, Mono], &[FrontLeft; 2]]
        {
            assert!(check("x", Direction::Input, &ChannelMap::new(map.iter().copied())).is_err(), "{map:?}");
        }
        let error = check("usb", Direction::Output, &ChannelMap::new([FrontLeftOfCenter, TopCenter])).unwrap_err();
        let line = "pactl load-module module-remap-sink sink_name=usb.plain master=usb channels=2 \
                    master_channel_map=front-left-of-center,top-center channel_map=front-left,front-right remix=no";
        assert!(error.to_string().contains(line), "{error}");
    }

    #[test]
    fn as_many_positions_are_asked_for_as_there_are_channels_each_once() {
        for n in 1..=32 {
            let mut names = asked_for(n);
            assert_eq!(names.len(), n);
            names.sort();
            names.dedup();
            assert_eq!(names.len(), n, "{names:?}");
        }
    }
}
