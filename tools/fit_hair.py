"""Fit the colours of `mien.features.shown.hair`, in src/mien/models/cards/hair-colour.toml: prints its table.

    python tools/fit_hair.py [FOLDER]

Generated people whose hair the authors named by eye; those of whom it cannot be said are left out. The seeds below 225
are fitted to, the others are held out: what is said of them is printed, too. FOLDER keeps the pictures (NNNN.png); by
default they are thrown away. Needs scikit-learn.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from fit_glasses import picture
from sklearn.linear_model import LogisticRegression

import mien
from mien.features.shown.crown import look
from mien.features.shown.hair import COLOURS, median_lab

HELD_OUT = 225  # and above
SCALE = 20.0
SEEN = {
    "black": "2 6 9 13 18 19 33 38 40 43 45 59 62 63 66 75 83 87 95 99 100 101 104 108 110 120 130 131 133 135 146 147 "
    "148 153 157 160 165 166 170 173 174 185 190 194 205 206 219 220 222 223 228 231 245 246 251 254 262 264 267 271 "
    "285 286 294 299 300 305 310 311 330 338 340 341 346 347 348 353 361 365 368 369 373 384 391 392",
    "brown": "0 1 3 4 7 8 11 20 21 23 26 28 34 36 41 42 44 46 49 53 55 60 61 67 70 71 72 76 77 78 79 82 84 85 89 90 91 "
    "92 93 102 107 109 111 116 118 119 121 125 126 128 129 137 142 149 150 151 154 155 156 161 169 172 175 176 182 187 "
    "188 189 192 196 198 203 208 209 212 216 217 218 225 226 227 229 235 236 240 242 243 247 249 250 258 260 263 265 "
    "268 277 282 288 290 291 297 301 308 309 313 315 317 320 325 326 331 332 336 342 345 362 371 372 374 378 379 380 "
    "381 387 388 390 398",
    "blond": "10 81 117 140 152 186 195 197 321 327 333 352 376",
    "red": "22 35 65 123 200 283 339 343",
    "grey": "15 25 39 48 52 54 56 73 86 96 112 115 141 164 171 181 191 199 202 210 215 224 255 256 261 270 276 278 306 "
    "322 328 334 358 359 393 394 399",
}


def main(folder: Path) -> None:
    """Fit, print the table, and what it says of those held out."""
    labels = {int(seed): COLOURS.index(name) for name, seeds in SEEN.items() for seed in seeds.split()}
    colours: dict[int, np.ndarray] = {}
    said: dict[int, str] = {}
    with mien.Engine(threads=1) as engine:
        for seed in sorted(labels):
            image = picture(seed, folder, engine)
            faces = engine.analyze(image, want={"parse", "alignment", "hair"}).top(1)
            if len(faces) and not faces.parse.abstained[0]:
                lab = median_lab(look(faces.parse[0], faces.alignment.values[0], image), image, "hair")
                said[seed] = str(faces.hair.labels[0])
                if lab is not None:
                    colours[seed] = lab
    fitted = [seed for seed in colours if seed < HELD_OUT]
    truth = np.array([labels[seed] for seed in fitted])
    weights = 1 / np.sqrt(np.bincount(truth, minlength=len(COLOURS)))[truth]  # rare colours count more
    model = LogisticRegression(C=3, max_iter=5000)
    model.fit(np.array([colours[seed] for seed in fitted]) / SCALE, truth, sample_weight=weights / weights.mean())
    for name, row in zip(COLOURS, np.column_stack([model.coef_, model.intercept_]), strict=True):
        sys.stdout.write(f"{name} = [{', '.join(f'{value:.2f}' for value in row)}]\n")
    sys.stdout.write(f"# {len(fitted)} people; with the card as it is, of those held out:\n")
    for place, name in enumerate(COLOURS):
        answers = [said[seed] for seed in said if seed >= HELD_OUT and labels[seed] == place]
        counts = {one: answers.count(one) for one in sorted(set(answers))}
        sys.stdout.write(f"# {name}: {counts}\n")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
