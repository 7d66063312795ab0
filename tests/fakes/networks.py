"""Networks with a published latency, as work for a board model: operators, MACs, elements."""

from edge_infer.boards.cost_table import OpWork, Work

DEPTHWISE, CONV, FC = "DEPTHWISE_CONV_2D", "CONV_2D", "FULLY_CONNECTED"


def conv(size: int, channels: int, filters: int, window: int = 1) -> OpWork:
    """A convolution with a square output of `size` pixels a side."""
    return OpWork(CONV, size * size * channels * filters * window**2, size * size * filters)


def depthwise(size: int, channels: int) -> OpWork:
    """A 3x3 depthwise convolution."""
    return OpWork(DEPTHWISE, size * size * channels * 9, size * size * channels)


def mobilenet_v1(dtype: str = "int8") -> Work:
    """MobileNet v1 1.0 224: 569 million MACs (arXiv 1704.04861, table 4)."""
    ops, size, channels = [conv(112, 3, 32, 3)], 112, 32
    blocks = [(1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512)]
    for stride, filters in [*blocks, *[(1, 512)] * 5, (2, 1024), (1, 1024)]:
        size //= stride
        ops += [depthwise(size, channels), conv(size, channels, filters)]
        channels = filters
    ops += [OpWork("AVERAGE_POOL_2D", 0, 1024), OpWork(FC, 1024 * 1001, 1001)]
    return Work("MobileNet v1 1.0 224, int8", tuple(ops), dtype=dtype)


def mobilenet_v2(dtype: str = "int8") -> Work:
    """MobileNet v2 1.0 224: 300 million MACs (arXiv 1801.04381, table 4)."""
    ops, size, channels = [conv(112, 3, 32, 3)], 112, 32
    bottlenecks = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1)]
    for expansion, filters, repeats, first_stride in [*bottlenecks, (6, 160, 3, 2), (6, 320, 1, 1)]:
        for repeat in range(repeats):
            stride, wide = first_stride if repeat == 0 else 1, channels * expansion
            if expansion != 1:
                ops.append(conv(size, channels, wide))
            size //= stride
            ops += [depthwise(size, wide), conv(size, wide, filters)]
            if stride == 1 and channels == filters:
                ops.append(OpWork("ADD", 0, size * size * filters))
            channels = filters
    ops += [conv(7, 320, 1280), OpWork("AVERAGE_POOL_2D", 0, 1280), OpWork(FC, 1280 * 1001, 1001)]
    return Work("MobileNet v2 1.0 224, int8", tuple(ops), dtype=dtype)


def resnet_8(dtype: str = "int8") -> Work:
    """MLPerf Tiny's ResNet-8 on 32x32 images: 12.5 million MACs."""
    add = [OpWork("ADD", 0, n) for n in (16384, 8192, 4096)]
    ops = [conv(32, 3, 16, 3), conv(32, 16, 16, 3), conv(32, 16, 16, 3), add[0]]
    ops += [conv(16, 16, 32, 3), conv(16, 32, 32, 3), conv(16, 16, 32), add[1]]
    ops += [conv(8, 32, 64, 3), conv(8, 64, 64, 3), conv(8, 32, 64), add[2]]
    ops += [OpWork("AVERAGE_POOL_2D", 0, 64), OpWork(FC, 640, 10), OpWork("SOFTMAX", 0, 10)]
    return Work("MLPerf Tiny ResNet-8, int8", tuple(ops), dtype=dtype)


def resnet_18(dtype: str = "int8") -> Work:
    """ResNet-18 at 224x224: 1.81 billion MACs."""
    ops = [conv(112, 3, 64, 7), OpWork("MAX_POOL_2D", 0, 56 * 56 * 64)]
    channels = 64
    for size, filters in ((56, 64), (28, 128), (14, 256), (7, 512)):
        if filters != channels:
            ops.append(conv(size, channels, filters))
        ops += [conv(size, channels, filters, 3), *[conv(size, filters, filters, 3)] * 3]
        ops += [OpWork("ADD", 0, size * size * filters)] * 2
        channels = filters
    ops += [OpWork("AVERAGE_POOL_2D", 0, 512), OpWork(FC, 512 * 1000, 1000)]
    return Work("ResNet-18, int8", tuple(ops), dtype=dtype)


def googlenet(dtype: str = "int8") -> Work:
    """GoogLeNet (Inception v1) at 224x224: 1.5 billion MACs."""
    ops = [conv(112, 3, 64, 7), conv(56, 64, 64), conv(56, 64, 192, 3)]
    # Channels in; 1x1; 3x3 reduce, 3x3; 5x5 reduce, 3x3 (torchvision's); pool projection.
    inceptions = [
        (28, 192, 64, 96, 128, 16, 32, 32),
        (28, 256, 128, 128, 192, 32, 96, 64),
        (14, 480, 192, 96, 208, 16, 48, 64),
        (14, 512, 160, 112, 224, 24, 64, 64),
        (14, 512, 128, 128, 256, 24, 64, 64),
        (14, 512, 112, 144, 288, 32, 64, 64),
        (14, 528, 256, 160, 320, 32, 128, 128),
        (7, 832, 256, 160, 320, 32, 128, 128),
        (7, 832, 384, 192, 384, 48, 128, 128),
    ]
    for size, channels, one, reduce_3, three, reduce_5, five, pool in inceptions:
        ops += [conv(size, channels, one), conv(size, channels, reduce_3)]
        ops += [conv(size, reduce_3, three, 3), conv(size, channels, reduce_5)]
        ops += [conv(size, reduce_5, five, 3), conv(size, channels, pool)]
        ops += [OpWork("MAX_POOL_2D", 0, size * size * channels)]
    ops += [OpWork("AVERAGE_POOL_2D", 0, 1024), OpWork(FC, 1024 * 1000, 1000)]
    return Work("GoogLeNet, int8", tuple(ops), dtype=dtype)


NETWORKS = {
    work.name: work
    for work in (mobilenet_v1(), mobilenet_v2(), resnet_8(), resnet_18(), googlenet())
}
"""By the name that a profile's [[published]] entries use."""
