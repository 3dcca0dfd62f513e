//! Where everything stands on a picture, at every size and with every number of channels.

use ra_engine::core::ChannelCount;

use super::*;

const METRICS: TextMetrics = TextMetrics { title_advance: 11.0, label_advance: 7.0, label_height: 9.0 };

fn picture(samples: &[f32], n_channels: u16, gaps: &[FileGap], (width, height): (u32, u32)) -> Picture {
    let mut envelope = Envelope::new(ChannelCount::new(n_channels).unwrap(), columns_in(width));
    envelope.add(samples);
    let scene = Scene {
        title: "take.wav".to_owned(),
        facts: vec!["48000 Hz".to_owned()],
        envelope: &envelope,
        sample_rate_hz: 48_000,
        gaps,
        is_decibel: false,
    };
    lay_out(&scene, width, height, METRICS)
}

fn of_role(picture: &Picture, wanted: Role) -> Vec<&Shape> {
    let is_it = |shape: &&Shape| match shape {
        Shape::Rect { role, .. } | Shape::Hatch { role, .. } | Shape::Band { role, .. } | Shape::Text { role, .. } => {
            *role == wanted
        }
    };
    picture.shapes.iter().filter(is_it).collect()
}

#[test]
fn everything_stays_inside_at_every_size() {
    let samples: Vec<f32> = (0..20_000).map(|n| (n as f32 * 0.01).sin() * 1.5).collect();
    let gaps = [FileGap { in_file_frame: 4_999, n_frames: 1, reason: "lagged".to_owned() }];
    for n_channels in [1u16, 2, 6, 40] {
        let n = usize::from(n_channels);
        for size in [(200, least_height(n)), (1_600, usual_height(n)), (5_000, 3_000)] {
            let picture = picture(&samples, n_channels, &gaps, size);
            let (width, height) = (f64::from(size.0), f64::from(size.1));
            for shape in &picture.shapes {
                let (x, y, w, h) = match shape {
                    Shape::Rect { x, y, width, height, .. } | Shape::Hatch { x, y, width, height, .. } => {
                        (*x, *y, *width, *height)
                    }
                    Shape::Band { x, columns, .. } => {
                        let low = columns.iter().map(|column| column.1).fold(0.0, f64::max);
                        let high = columns.iter().map(|column| column.0).fold(f64::MAX, f64::min);
                        assert!(columns.iter().all(|(top, bottom)| bottom - top >= 0.999));
                        (*x, high, columns.len() as f64, low - high)
                    }
                    Shape::Text { x, y, .. } => (*x, *y, 0.0, 0.0),
                };
                let is_inside = x >= 0.0 && y >= 0.0 && x + w <= width + 0.01 && y + h <= height + 0.01;
                assert!(is_inside && w >= 0.0 && h >= 0.0, "{n_channels} channels, {size:?}: {shape:?}");
            }
        }
    }
}

#[test]
fn clipping_and_gaps_are_marked_where_they_are() {
    let mut samples = vec![0.25; 15_240];
    samples[7_620..7_630].fill(1.0);
    let gaps = [FileGap { in_file_frame: 3_810, n_frames: 1_524, reason: "refused".to_owned() }];
    let picture = picture(&samples, 1, &gaps, (838, 300));
    assert_eq!(columns_in(838), 762);
    let clips: Vec<f64> = of_role(&picture, Role::Clip)
        .iter()
        .filter_map(|shape| if let Shape::Rect { x, y, .. } = shape { (*y > TOP - 1.0).then_some(*x) } else { None })
        .collect();
    assert_eq!(clips, [LEFT + 381.0, LEFT + 381.0], "half-way, at the top and at the bottom");
    let hatches: Vec<_> =
        picture
            .shapes
            .iter()
            .filter_map(|s| {
                if let Shape::Hatch { x, width, note, .. } = s { Some((*x, *width, note.as_str())) } else { None }
            })
            .collect();
    assert_eq!(hatches, [(LEFT + 190.0, 77.0, "0.032 s missing: refused")]);
}

#[test]
fn a_file_without_a_frame_is_a_picture_without_a_sound() {
    let picture = picture(&[], 2, &[], (800, 400));
    assert!(of_role(&picture, Role::Rms).iter().all(|shape| !matches!(shape, Shape::Band { .. })));
    assert_eq!(of_role(&picture, Role::Lane).len(), 2);
}

#[test]
fn long_names_lose_their_middle() {
    assert_eq!(shortened("take.wav", 8), "take.wav");
    assert_eq!(shortened("a-very-long-name-indeed.wav", 13), "a-ver...d.wav");
}
