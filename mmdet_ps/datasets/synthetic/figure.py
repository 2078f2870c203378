"""Drawing of one person: body, clothes, hair, headwear and what it carries."""

from dataclasses import dataclass

import cv2
import numpy as np

from .canvas import Canvas, capsule, cloth, ellipse
from .pose import HEAD, HIP, NECK, SHOULDER, Limb, Pose, draw_pose
from .wardrobe import HAIR_COLOURS, PALETTE, SKIN, Wardrobe

_OVERSAMPLING = 2
_HEM = {'tshirt': -0.45, 'sweater': -0.45, 'vest': -0.45, 'coat': -0.36}
_SLEEVE = {'tshirt': 'short', 'sweater': 'long', 'coat': 'long', 'vest': 'none'}


@dataclass(frozen=True)
class Figure:
    """A drawn person.

    Attributes:
        layers: (h, w, 4) float32, colour multiplied by alpha and alpha.
        body: (h, w) bool, pixels of the person without a suitcase beside it.
    """

    layers: np.ndarray
    body: np.ndarray

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Tight box x1, y1, x2, y2 (exclusive) of the body inside the layers."""
        columns, rows = np.flatnonzero(self.body.any(0)), np.flatnonzero(self.body.any(1))
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


class _Painter:
    """Draws the parts of one person from back to front."""

    def __init__(self, canvas: Canvas, wardrobe: Wardrobe, pose: Pose):
        self.canvas, self.wear, self.pose = canvas, wardrobe, pose
        kind, second = wardrobe.pattern
        self.skin = cloth(SKIN[wardrobe.skin])
        self.top = cloth(PALETTE[wardrobe.top_colour], kind, PALETTE[second])
        self.bottom = cloth(PALETTE[wardrobe.bottom_colour])
        self.bag = cloth(PALETTE[wardrobe.bag[1]])
        self.hair = cloth(HAIR_COLOURS[wardrobe.hair[1]])
        self.facing = np.cos(pose.yaw)
        self.sideways = np.sin(pose.yaw)

    def _limb(self, limb: Limb, widths: tuple[float, float, float], textures: tuple) -> None:
        upper, lower = textures
        a, b, c = limb.upper, limb.middle, limb.lower
        self.canvas.part(capsule(b, c, widths[1], widths[2]), lower, top=b, axis=c - b, edge=0.85)
        self.canvas.part(capsule(a, b, widths[0], widths[1]), upper, top=a, axis=b - a, edge=0.85)

    def _leg(self, limb: Limb) -> None:
        girth, kind = self.pose.girth, self.wear.bottom
        foot = limb.lower + (0.045 * self.sideways, 0.018 + 0.012 * self.facing)
        shoe = cloth(PALETTE[self.wear.shoes])
        self.canvas.part(capsule(limb.lower + (0, 0.012), foot, 0.05, 0.042), shoe, edge=0.85)
        if kind == 'trousers':
            textures, widths = (self.bottom, self.bottom), (0.105, 0.085, 0.066)
        elif kind == 'shorts':
            textures, widths = (self.bottom, self.skin), (0.112, 0.07, 0.046)
        else:
            textures, widths = (self.skin, self.skin), (0.09, 0.066, 0.045)
        self._limb(limb, tuple(w * girth for w in widths), textures)
        if kind == 'shorts':
            knee = limb.middle
            outline = capsule(limb.upper, knee, 0.112 * girth, 0.1 * girth)
            self.canvas.part(outline, self.bottom, top=limb.upper, axis=knee - limb.upper)

    def _arm(self, limb: Limb) -> None:
        sleeve, girth = _SLEEVE[self.wear.top], self.pose.girth
        end = limb.lower + 0.12 * (limb.lower - limb.middle)
        self.canvas.part(capsule(limb.lower, end, 0.04, 0.035), self.skin, edge=0.85)
        upper = self.skin if sleeve == 'none' else self.top
        lower = self.top if sleeve == 'long' else self.skin
        thick = 0.088 if sleeve == 'long' else 0.07
        self._limb(limb, (thick * girth, 0.9 * thick * girth, 0.62 * thick), (upper, lower))

    def _skirt(self) -> None:
        if self.wear.bottom not in ('skirt', 'dress'):
            return
        hem = -0.27 if self.wear.bottom == 'skirt' else -0.13
        waist = self.pose.half_width(0.092, 0.075)
        flare = self.pose.half_width(0.135 if hem < -0.2 else 0.155, 0.125)
        y = HIP - 0.05
        outline = np.array([(-waist, y), (waist, y), (flare, hem), (0, hem + 0.015), (-flare, hem)])
        self.canvas.part(outline, self.bottom)

    def _torso(self) -> None:
        shoulder = self.pose.half_width(0.132, 0.082)
        waist = self.pose.half_width(0.1, 0.08)
        hem = _HEM[self.wear.top]
        hips = self.pose.half_width(0.112 if hem < -0.4 else 0.13, 0.092)
        y = SHOULDER
        right = [(0.38 * shoulder, y - 0.03), (0.86 * shoulder, y - 0.012), (shoulder, y + 0.04)]
        right += [(0.92 * shoulder, y + 0.12), (waist, HIP - 0.06), (hips, hem)]
        left = [(-x, v) for x, v in reversed(right)]
        outline = np.array(right + [(0, hem + 0.012)] + left)
        squeeze = shoulder / (0.132 * self.pose.girth)
        self.canvas.part(outline, self.top, top=np.array([0, y - 0.03]), squeeze=squeeze)
        if self.wear.top == 'coat' and self.facing > 0.3:
            x = 0.03 * self.sideways
            line = np.array([(x, y), (x + 0.012, y), (x + 0.012, hem), (x, hem)])
            self.canvas.part(line, cloth(tuple(0.45 * c for c in PALETTE[self.wear.top_colour])))
        if self.wear.bottom != 'dress' and hem < -0.4:
            belt = np.array([(-hips, hem - 0.012), (hips, hem - 0.012), (hips, hem), (-hips, hem)])
            self.canvas.part(belt, cloth((30, 34, 40)), edge=1.0)

    def _head(self) -> None:
        x = self.pose.tilt + 0.015 * self.sideways
        neck = capsule(np.array([0, SHOULDER]), np.array([x, NECK - 0.02]), 0.07, 0.062)
        self.canvas.part(neck, self.skin)
        width = 0.112 + 0.012 * abs(self.sideways)
        head = np.array([x, HEAD])
        style = self.wear.hair[0]
        if style == 'bald':
            self.canvas.part(ellipse(head, width, 0.168), self.skin)
            self._face(head)
            return
        if style == 'afro':
            self.canvas.part(ellipse(head - (0.01 * self.sideways, 0.012), 0.21, 0.19), self.hair)
        if style == 'bun':
            bun = head + (-0.06 * self.sideways, -0.072)
            self.canvas.part(ellipse(bun, 0.075, 0.065), self.hair)
        if style == 'long' and self.facing > -0.2:
            self._long_hair(head)
        self.canvas.part(ellipse(head - (0, 0.008), width + 0.016, 0.172), self.hair)
        if self.facing > -0.35:
            face = head + (0.034 * self.sideways, 0.022)
            self.canvas.part(
                ellipse(face, 0.092 - 0.018 * abs(self.sideways), 0.125), self.skin, edge=0.9
            )
            self._face(head)
        else:
            nape = head + (0, 0.074)
            self.canvas.part(ellipse(nape, 0.062, 0.04), self.skin, edge=1.0)
            if style == 'long':
                self._long_hair(head)

    def _long_hair(self, head: np.ndarray) -> None:
        x, half = head[0] - 0.03 * self.sideways, 0.078
        y = HEAD - 0.02
        outline = [(x - half, y), (x + half, y), (x + half + 0.008, SHOULDER + 0.075)]
        outline += [(x, SHOULDER + 0.09), (x - half - 0.008, SHOULDER + 0.075)]
        self.canvas.part(np.array(outline), self.hair)

    def _face(self, head: np.ndarray) -> None:
        if self.facing < -0.1:
            return
        dark = cloth((40, 40, 48))
        for side in (-1, 1):
            eye = head + (0.022 * side * self.facing + 0.044 * self.sideways, 0.008)
            self.canvas.part(ellipse(eye, 0.014, 0.011), dark, edge=1.0)
        mouth = head + (0.044 * self.sideways, 0.054)
        self.canvas.part(ellipse(mouth, 0.034, 0.008), cloth((70, 70, 140)), edge=1.0)

    def _headwear(self) -> None:
        kind, colour = self.wear.headwear
        if kind == 'none':
            return
        fabric = cloth(PALETTE[colour])
        x = self.pose.tilt + 0.015 * self.sideways
        crown = ellipse(np.array([x, HEAD - 0.04]), 0.142, 0.135)
        crown = crown[crown[:, 1] <= HEAD - 0.03]
        crown = crown[np.argsort(np.arctan2(crown[:, 1] - HEAD, crown[:, 0] - x))]
        if kind == 'hood':
            self.canvas.part(ellipse(np.array([x, HEAD + 0.004]), 0.168, 0.205), fabric)
            if self.facing > -0.35:
                face = np.array([x + 0.03 * self.sideways, HEAD + 0.018])
                self.canvas.part(ellipse(face, 0.082, 0.115), self.skin)
                self._face(np.array([x, HEAD]))
            return
        self.canvas.part(crown, fabric)
        if kind == 'cap' and self.facing > -0.4:
            visor = np.array([x + 0.068 * self.sideways, HEAD - 0.032])
            self.canvas.part(ellipse(visor, 0.12, 0.032), fabric)
        elif kind == 'brimmed':
            self.canvas.part(ellipse(np.array([x, HEAD - 0.038]), 0.235, 0.042), fabric)
        elif kind == 'beanie':
            self.canvas.part(
                ellipse(np.array([x, HEAD - 0.108]), 0.055, 0.048), cloth((225, 225, 225))
            )

    def _backpack(self, in_front: bool) -> None:
        if self.wear.bag[0] != 'backpack' or in_front != (self.pose.nearness(0, -0.1) > 0):
            return
        x = self.pose.at(0, -0.115, 0)[0]
        half, y = self.pose.half_width(0.112, 0.068), SHOULDER
        outline = [(x - 0.8 * half, y - 0.035), (x + 0.8 * half, y - 0.035), (x + half, y + 0.03)]
        outline += [(x + half, y + 0.23), (x + 0.8 * half, y + 0.26), (x - 0.8 * half, y + 0.26)]
        outline += [(x - half, y + 0.23), (x - half, y + 0.03)]
        self.canvas.part(np.array(outline), self.bag)
        if in_front:
            pocket = np.array([(-0.7, 0.13), (0.7, 0.13), (0.7, 0.23), (-0.7, 0.23)])
            self.canvas.part(pocket * (half, 1) + (x, y), self.bag, edge=0.6)

    def _straps(self) -> None:
        kind = self.wear.bag[0]
        if kind == 'backpack' and self.facing > 0:
            for side in (-1, 1):
                top = self.pose.at(side * 0.075, 0.02, SHOULDER - 0.02)
                bottom = self.pose.at(side * 0.085, 0.05, SHOULDER + 0.19)
                self.canvas.part(capsule(top, bottom, 0.034, 0.03), self.bag)
        elif kind == 'crossbody':
            side = 1 if self.facing > 0 else -1
            depth = 0.07 * side
            top = self.pose.at(0.085, depth, SHOULDER - 0.01)
            bottom = self.pose.at(-0.12 * self.pose.girth, depth, HIP - 0.03)
            self.canvas.part(capsule(top, bottom, 0.032, 0.03), self.bag)
            pouch = bottom + np.array([(-0.07, 0), (0.07, 0), (0.075, 0.115), (-0.075, 0.115)])
            self.canvas.part(pouch, self.bag)

    def _in_hand(self) -> None:
        if self.wear.bag[0] == 'handbag':
            near = max(self.pose.arms, key=lambda arm: arm.lower[1])
            hand = near.lower + (0, 0.02)
            for side in (-1, 1):
                self.canvas.part(capsule(hand, hand + (0.045 * side, 0.08), 0.014, 0.014), self.bag)
            body = np.array([(-0.062, 0.075), (0.062, 0.075), (0.082, 0.195), (-0.082, 0.195)])
            self.canvas.part(hand + body, self.bag)

    def suitcase(self) -> None:
        """A trolley beside the person; drawn last and not part of the body."""
        if self.wear.bag[0] != 'suitcase':
            return
        near = max(self.pose.arms, key=lambda arm: arm.lower[1])
        away = np.sign(near.lower[0]) or 1.0
        x = near.lower[0] + 0.07 * away - 0.06 * self.sideways
        self.canvas.part(
            capsule(near.lower, np.array([x, -0.29]), 0.014, 0.014), cloth((60, 60, 60))
        )
        case = np.array([(-0.085, -0.3), (0.085, -0.3), (0.09, -0.01), (-0.09, -0.01)])
        self.canvas.part(case + (x, 0), self.bag)
        stripe = np.array([(-0.085, -0.17), (0.085, -0.17), (0.085, -0.15), (-0.085, -0.15)])
        self.canvas.part(stripe + (x, 0), cloth((40, 40, 40)), edge=1.0)

    def body(self) -> None:
        """Everything but a suitcase, from back to front."""
        self._backpack(in_front=False)
        arms = sorted(self.pose.arms, key=lambda limb: limb.depth)
        hidden = abs(self.sideways) > 0.45
        if hidden:
            self._arm(arms[0])
        for leg in sorted(self.pose.legs, key=lambda limb: limb.depth):
            self._leg(leg)
        self._skirt()
        self._torso()
        self._straps()
        if self.facing < 0:
            self._backpack(in_front=True)
        if not hidden:
            self._arm(arms[0])
        self._arm(arms[1])
        self._in_hand()
        self._head()
        self._headwear()


def draw_figure(rng: np.random.Generator, wardrobe: Wardrobe, height: float) -> Figure:
    """A person in a random pose, ``height`` pixels from head to feet.

    The figure stands with its feet in the middle of the bottom edge of the returned layers.
    """
    pose: Pose = draw_pose(rng, wardrobe.build)
    scale = height * _OVERSAMPLING
    width = int(np.ceil(height * 0.9))
    tall = int(np.ceil(height * 1.16))
    canvas = Canvas(
        width * _OVERSAMPLING,
        tall * _OVERSAMPLING,
        scale,
        (width * _OVERSAMPLING / 2, tall * _OVERSAMPLING - 0.07 * scale),
    )
    painter = _Painter(canvas, wardrobe, pose)
    painter.body()
    alone = cv2.resize(canvas.alpha, (width, tall), interpolation=cv2.INTER_AREA) > 0.5
    painter.suitcase()
    return Figure(canvas.finish(rng, (width, tall)), alone)
