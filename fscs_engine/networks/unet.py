"""The U-Net of the paper's Tables 3 and 4, and the networks made of it.

Where text and released code differ (both were read; none of the code is copied): convolutions before
ReLU → batch norm have no bias and the order is convolution → ReLU → batch norm, as the code has it, so
that the released weights load. Sizes that are not a multiple of the stride are padded by repeating the
last row and column and cut back; the released inference crops the picture instead.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STRIDE = 8
"""Pixels a tile's origin and halo are multiples of: three stride-2 convolutions."""

HALO = 32
"""Pixels of context that decide an output pixel (30 at most), rounded up to a multiple of ``STRIDE``."""


class UNet(nn.Module):
    """Five convolutions, three transposed convolutions, a skip connection at each scale.

    Args:
        in_channels: C of Tables 3 and 4; the first three channels are the image.
        out_channels: planes of the last convolution, which has no activation here.
        skip: False builds the ablation "w/o Skip" of Table 1: nothing is concatenated.

    Shape:
        (B, C, H, W) float → (B, out_channels, H, W), H and W any size from 1.
    """

    def __init__(self, in_channels: int, out_channels: int, skip: bool = True) -> None:
        super().__init__()
        c = in_channels
        joined = 2 if skip else 1
        self.skip = skip
        self.conv1 = nn.Conv2d(c, c * 2, 3, stride=2, padding=1, bias=False)
        self.conv2 = nn.Conv2d(c * 2, c * 4, 3, stride=2, padding=1, bias=False)
        self.conv3 = nn.Conv2d(c * 4, c * 8, 3, stride=2, padding=1, bias=False)
        self.deconv1 = nn.ConvTranspose2d(c * 8, c * 4, 3, stride=2, padding=1, output_padding=1, bias=False)
        self.deconv2 = nn.ConvTranspose2d(c * 4 * joined, c * 2, 3, stride=2, padding=1, output_padding=1, bias=False)
        self.deconv3 = nn.ConvTranspose2d(c * 2 * joined, c * 2, 3, stride=2, padding=1, output_padding=1, bias=False)
        self.conv4 = nn.Conv2d(c * 2 + (3 if skip else 0), c, 3, padding=1)
        self.conv5 = nn.Conv2d(c, out_channels, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(c * 2)
        self.bn2 = nn.BatchNorm2d(c * 4)
        self.bn3 = nn.BatchNorm2d(c * 8)
        self.bnde1 = nn.BatchNorm2d(c * 4)
        self.bnde2 = nn.BatchNorm2d(c * 2)
        self.bnde3 = nn.BatchNorm2d(c * 2)
        self.bn4 = nn.BatchNorm2d(c)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) of any height and width → (B, out_channels, H, W), not limited to a range."""
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
        image = x[:, :3]
        down1 = self.bn1(F.relu(self.conv1(x)))  # H/2
        del x
        down2 = self.bn2(F.relu(self.conv2(down1)))  # H/4
        up = self.bn3(F.relu(self.conv3(down2)))  # H/8
        up = self.bnde1(F.relu(self.deconv1(up)))  # H/4
        up = self._join(up, down2)
        del down2  # features are freed as soon as nothing needs them
        up = self.bnde2(F.relu(self.deconv2(up)))  # H/2
        up = self._join(up, down1)
        del down1
        up = self.bnde3(F.relu(self.deconv3(up)))  # H
        up = self._join(up, image)
        del image
        up = self.bn4(F.relu(self.conv4(up)))
        return self.conv5(up)[..., :height, :width]

    def _join(self, up: Tensor, down: Tensor) -> Tensor:
        return torch.cat((up, down), dim=1) if self.skip else up


def palette_planes(palette: Tensor, height: int, width: int) -> Tensor:
    """K single-color images (paper §4.2). (B, K, 3) → (B, K, 3, H, W), a view without a copy."""
    return palette[..., None, None].expand(*palette.shape, height, width)


class AlphaPredictor(nn.Module):
    """Table 3: image and K single-color planes in, K raw alphas out.

    Shape:
        image (B, 3, H, W) sRGB in [0, 1], palette (B, K, 3) sRGB in [0, 1] → alphas (B, K, H, W) in (0, 1),
        before the normalization of Eq. 5.
    """

    def __init__(self, colors: int, skip: bool = True) -> None:
        super().__init__()
        self.unet = UNet(3 + 3 * colors, colors, skip)

    def forward(self, image: Tensor, palette: Tensor) -> Tensor:
        """Raw alphas; shapes and ranges are those of the class."""
        planes = palette_planes(palette, *image.shape[-2:]).flatten(1, 2)
        return torch.sigmoid(self.unet(torch.cat((image, planes), dim=1)))


class ResiduePredictor(nn.Module):
    """Table 4: image, K single-color planes and K processed alphas in, K residues out, not yet centered.

    Shape:
        image (B, 3, H, W), palette (B, K, 3), alphas (B, K, H, W) → residues (B, K, 3, H, W) in (-1, 1).
    """

    def __init__(self, colors: int, skip: bool = True) -> None:
        super().__init__()
        self.unet = UNet(3 + 4 * colors, 3 * colors, skip)

    def forward(self, image: Tensor, palette: Tensor, alphas: Tensor) -> Tensor:
        """Residues; shapes and ranges are those of the class."""
        planes = palette_planes(palette, *image.shape[-2:])
        layers = torch.cat((planes, alphas[:, :, None]), dim=2).flatten(1, 2)
        return torch.tanh(self.unet(torch.cat((image, layers), dim=1))).unflatten(1, (-1, 3))


class SinglePredictor(nn.Module):
    """The ablation "Single network" of Table 1: alphas and residues from one U-Net.

    Shape:
        image (B, 3, H, W), palette (B, K, 3) → raw alphas (B, K, H, W), residues (B, K, 3, H, W).
    """

    def __init__(self, colors: int, skip: bool = True) -> None:
        super().__init__()
        self.colors = colors
        self.unet = UNet(3 + 3 * colors, 4 * colors, skip)

    def forward(self, image: Tensor, palette: Tensor) -> tuple[Tensor, Tensor]:
        """Raw alphas and residues; shapes are those of the class."""
        planes = palette_planes(palette, *image.shape[-2:]).flatten(1, 2)
        out = self.unet(torch.cat((image, planes), dim=1))
        return torch.sigmoid(out[:, : self.colors]), torch.tanh(out[:, self.colors :]).unflatten(1, (-1, 3))
