//! One writer, two consumers on threads of their own: one that keeps up and one that is too slow, and knows it.

use ra_core::{BlockStamp, FramePosition};
use ra_queue::{BlockReader, FanOutConfig, Join, QueueError, ReadOutcome, fan_out};

fn consume(mut reader: Box<dyn BlockReader>, work_per_block: usize) -> (u64, u64) {
    let mut block = [0.0_f32; 256];
    let mut n_lost = 0;
    loop {
        match reader.read(&mut block) {
            ReadOutcome::Block(_) => (0..work_per_block).for_each(|_| std::hint::spin_loop()),
            ReadOutcome::Lagged { n_blocks } => n_lost += n_blocks,
            ReadOutcome::Empty => std::thread::yield_now(),
            ReadOutcome::Closed => return (reader.counts().read_blocks, n_lost),
        }
    }
}

fn main() -> Result<(), QueueError> {
    let (mut writer, bus) = fan_out(&FanOutConfig { n_blocks: 64, ..FanOutConfig::default() })?;
    let consumers = [("quick", 0), ("slow", 200_000)].map(|(name, work)| {
        let reader = bus.subscribe(Join::Next);
        (name, std::thread::spawn(move || consume(reader, work)))
    });
    for seq in 0..500 {
        let stamp = BlockStamp { seq, position: FramePosition(seq * 128), capture_ns: seq * 2_666_667 };
        writer.publish(&stamp, &[0.25; 256]);
        (0..20_000).for_each(|_| std::hint::spin_loop());
    }
    drop(writer);
    for (name, thread) in consumers {
        let (n_read, n_lost) = thread.join().expect("a consumer panicked");
        println!("{name}: {n_read} blocks read, {n_lost} lost");
    }
    Ok(())
}
