#!/bin/sh
# Makes the sound files of seeds/sound_file anew. Needs ffmpeg. Run it in this folder.
set -eu
out=seeds/sound_file
mkdir -p "$out"
make() { # NAME OPTIONS...
    name=$1
    shift
    ffmpeg -v error -y -f lavfi -i "sine=frequency=440:sample_rate=8000:duration=0.06" -map_metadata -1 -fflags +bitexact \
        -flags +bitexact "$@" "$out/$name"
}
make s16.wav -c:a pcm_s16le
make u8.wav -c:a pcm_u8
make s24_stereo.wav -c:a pcm_s24le -ac 2
make f32.wav -c:a pcm_f32le
make f64.wav -c:a pcm_f64le
make rf64.wav -c:a pcm_s16le -rf64 always
make mulaw.wav -c:a pcm_mulaw
make adpcm_ima.wav -c:a adpcm_ima_wav
make adpcm_ms.wav -c:a adpcm_ms
make six_channels.wav -c:a pcm_s16le -ac 6
make s16.aiff -c:a pcm_s16be
make f32.aiff -c:a pcm_f32be
make mulaw.aifc -c:a pcm_mulaw -f aiff
make s16.caf -c:a pcm_s16be
make f32.caf -c:a pcm_f32le
make alac.caf -c:a alac
make flac.flac -c:a flac
make flac_stereo.flac -c:a flac -ac 2 -compression_level 12
make flac.ogg -c:a flac
make vorbis.ogg -c:a libvorbis -q:a 0
make mp3.mp3 -c:a libmp3lame -b:a 8k
make mp3_tagged.mp3 -c:a libmp3lame -b:a 16k -ar 16000 -ac 2 -metadata title=seed -id3v2_version 3 -write_id3v1 1
make mp2.mp2 -c:a mp2 -ar 16000 -b:a 32k -af apad=whole_dur=0.3
make aac.m4a -c:a aac -b:a 16k
make aac_fragmented.m4a -c:a aac -b:a 16k -movflags frag_keyframe+empty_moov
make alac.m4a -c:a alac
make aac.aac -c:a aac -b:a 16k -ac 2
# ffmpeg leaves 8 KiB of padding in FLAC: all of the mutations would go there.
python3 - "$out"/flac.flac "$out"/flac_stereo.flac <<'PYTHON'
import sys

for path in sys.argv[1:]:
    data = open(path, "rb").read()
    kept, at, last = [], 4, False
    while not last:
        kind, length = data[at] & 0x7F, int.from_bytes(data[at + 1 : at + 4], "big")
        last = bool(data[at] & 0x80)
        if kind != 1:
            kept.append((kind, data[at + 1 : at + 4 + length]))
        at += 4 + length
    blocks = [bytes([kind | (0x80 if n == len(kept) - 1 else 0)]) + rest for n, (kind, rest) in enumerate(kept)]
    open(path, "wb").write(data[:4] + b"".join(blocks) + data[at:])
PYTHON
