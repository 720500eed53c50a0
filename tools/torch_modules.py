"""Modules and functions of torch with inputs for tools/compare_modules: modules() gives {name: (module or function, inputs)}.
New ones go to the end: inputs and weights are drawn in this order, and kept exports stay what they were."""
import torch, torch.nn as nn, torch.nn.functional as F


def modules():
    """{name: (module or function, inputs)}"""
    r, i = torch.randn, torch.randint
    image, seq = r(2, 4, 12, 10), r(2, 7, 16)
    m = {}
    def f(name, what, *inputs):
        m[name] = (what, inputs)
    for rank, x in ((1, r(2, 4, 15)), (2, image), (3, r(2, 4, 6, 7, 8))):
        conv, back = getattr(nn, f"Conv{rank}d"), getattr(nn, f"ConvTranspose{rank}d")
        f(f"conv{rank}", conv(4, 6, 3, padding=1), x)
        f(f"conv{rank}_groups", conv(4, 8, 3, stride=2, groups=4, dilation=2, padding=2), x)
        f(f"conv{rank}_same", conv(4, 8, 3, padding="same"), x)
        f(f"conv{rank}_reflect", conv(4, 8, 3, padding=1, padding_mode="reflect"), x)
        f(f"conv_transpose{rank}", back(4, 6, 3, stride=2, padding=1, output_padding=1), x)
        f(f"max_pool{rank}", getattr(nn, f"MaxPool{rank}d")(3, 2, 1, ceil_mode=True), x)
        f(f"avg_pool{rank}", getattr(nn, f"AvgPool{rank}d")(3, 2, 1, count_include_pad=False), x)
        f(f"batch_norm{rank}", getattr(nn, f"BatchNorm{rank}d")(4).eval(), x)
        f(f"instance_norm{rank}", getattr(nn, f"InstanceNorm{rank}d")(4, affine=True), x)
        f(f"adaptive{rank}", getattr(nn, f"AdaptiveAvgPool{rank}d")(1), x)
    f("group_norm", nn.GroupNorm(2, 4), image)
    f("layer_norm", nn.LayerNorm((10,)), image)
    f("rms_norm", nn.RMSNorm(16), seq)
    f("local_norm", nn.LocalResponseNorm(3), image)
    for how in ("constant", "reflect", "replicate", "circular"):
        f("pad_" + how, lambda x, how=how: F.pad(x, (1, 2, 2, 1), mode=how), image)
    for mode in ("nearest", "bilinear", "bicubic", "nearest-exact"):
        corners = {} if mode[0] == "n" else {"align_corners": False}
        f("interpolate_" + mode, lambda x, mode=mode, k=corners: F.interpolate(x, scale_factor=2.0, mode=mode, **k), image)
        f("resize_" + mode, lambda x, mode=mode, k=corners: F.interpolate(x, size=(7, 13), mode=mode, **k), image)
    f("interpolate_corners", lambda x: F.interpolate(x, size=(7, 13), mode="bilinear", align_corners=True), image)
    f("grid_sample", lambda x, g: F.grid_sample(x, g, align_corners=False), image, r(2, 5, 5, 2).clamp(-1, 1))
    f("pixel_shuffle", nn.PixelShuffle(2), image)
    f("unfold", nn.Unfold(3, padding=1), image)
    for kind in ("LSTM", "GRU", "RNN"):
        for layers, both in ((1, False), (2, True)):
            f(f"{kind.lower()}_{layers}", getattr(nn, kind)(16, 8, num_layers=layers, bidirectional=both, batch_first=True).eval(), seq)
    f("encoder_layer", nn.TransformerEncoderLayer(16, 4, 32, batch_first=True).eval(), seq)
    f("encoder_pre_norm", nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=True, activation="gelu").eval(), seq)
    f("decoder_layer", nn.TransformerDecoderLayer(16, 4, 32, batch_first=True).eval(), seq, r(2, 5, 16))
    f("multihead", nn.MultiheadAttention(16, 4, batch_first=True).eval(), seq, seq, seq)
    q, k = r(2, 3, 6, 8), r(2, 3, 9, 8)
    f("sdpa", lambda q, k, v: F.scaled_dot_product_attention(q, k, v), q, k, k)
    f("sdpa_causal", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), q, q, q)
    f("sdpa_bool_mask", lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, attn_mask=m), q, k, k, (r(2, 1, 6, 9) > -0.5))
    f("sdpa_float_mask", lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, attn_mask=m), q, k, k, r(6, 9))
    f("sdpa_grouped", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True), r(2, 6, 5, 8), k, k)
    f("einsum", lambda a, b: torch.einsum("bhqd,bhkd->bhqk", a, b), q, k)
    f("einsum_diagonal", lambda a: torch.einsum("bii->bi", a), r(2, 4, 4))
    f("bilinear", nn.Bilinear(16, 16, 5), r(3, 16), r(3, 16))
    f("embedding", nn.Embedding(20, 8, padding_idx=0), i(0, 20, (2, 5)))
    f("embedding_bag", nn.EmbeddingBag(20, 8, mode="mean"), i(0, 20, (3, 5)))
    f("index", lambda x, j: x[:, j], seq, i(0, 7, (4,)))
    f("index_two", lambda x, j, k: x[j, k], r(5, 6, 3), i(0, 5, (4,)), i(0, 6, (4,)))
    f("index_put", lambda x, j, y: x.clone().index_put((j,), y), r(6, 3), torch.tensor([0, 2, 5]), r(3, 3))
    f("index_add", lambda x, j, y: x.index_add(0, j, y), r(6, 3), torch.tensor([0, 2, 2]), r(3, 3))
    f("index_select", lambda x, j: x.index_select(1, j), seq, i(0, 7, (4,)))
    f("masked_fill", lambda x, b: x.masked_fill(b, -3.0), seq, seq > 0)
    f("masked_select", lambda x: x[x > 0], seq)
    f("slice_assign", slice_assign, image)
    f("scatter", lambda x, j, y: x.scatter(1, j, y), r(3, 5), torch.tensor([[0, 2], [1, 4], [3, 0]]), r(3, 2))
    f("scatter_add", lambda x, j, y: x.scatter_add(1, j, y), r(3, 5), i(0, 5, (3, 4)), r(3, 4))
    f("scatter_reduce", lambda x, j, y: x.scatter_reduce(1, j, y, "amax"), r(3, 5), i(0, 5, (3, 4)), r(3, 4))
    f("gather", lambda x, j: x.gather(1, j), r(3, 5), i(0, 5, (3, 4)))
    f("topk", lambda x: torch.topk(x, 3, 1), r(3, 9))
    f("topk_smallest", lambda x: torch.topk(x, 3, 0, largest=False), r(9, 4))
    f("sort", lambda x: torch.sort(x, 1, descending=True), r(3, 9))
    f("argsort", lambda x: torch.argsort(x, 1), r(3, 9))
    f("where", lambda x, y: torch.where(x > y, x, y * 2), r(3, 9), r(9))
    f("cumsum", lambda x: torch.cumsum(x, 1), seq)
    f("cumprod_logs", lambda x: torch.logcumsumexp(x, 1), r(2, 5))
    f("std_var", lambda x: (x.std(1), x.var(-1, unbiased=False), x.norm(dim=1)), seq)
    f("reductions", lambda x: (x.amax(1), x.prod(0), x.logsumexp(1), x.argmax(2), x.all(1), x.median()), seq)
    f("roll_flip", lambda x: (torch.roll(x, 2, 1), x.flip(2)), seq)
    f("tri", lambda x: (x.tril(-1), x.triu(1)), r(2, 5, 6))
    f("repeat", lambda x: (x.repeat(2, 1, 3), x.repeat_interleave(2, 1)), seq)
    f("chunk_stack", lambda x: torch.stack(x.chunk(3, 2), 1), r(2, 3, 9))
    f("norms", lambda x: (F.normalize(x, dim=1), torch.linalg.vector_norm(x, 3, 1), torch.cdist(x, x)), seq)
    f("activations", lambda x: tuple(a(x) for a in (F.gelu, F.silu, F.mish, F.hardswish, F.hardsigmoid, F.elu, F.selu, F.celu, F.softplus,
                                                      F.leaky_relu, F.relu6, F.logsigmoid, F.tanhshrink, F.softsign, F.hardtanh)), seq)
    f("glu_prelu", nn.Sequential(nn.GLU(-1), nn.PReLU()), seq)
    f("gelu_tanh", nn.GELU("tanh"), seq)
    f("softmaxes", lambda x: (x.softmax(1), x.log_softmax(0), F.gumbel_softmax(x * 0, hard=False).sum(-1)), seq)
    f("math", lambda x: (x.floor(), x.round(), x.frac(), x.sign(), x.clamp(-1, 1), x.abs().sqrt(), x.atan(), x.erf(), x.exp().log1p(), x.remainder(0.7),
                         torch.atan2(x, x + 1), x.trunc(), x.fmod(0.7), x.expm1(), x.isnan(), x.nan_to_num()), seq)
    f("integers", lambda a, b: (a // b, a % b, a & b, a | b, a ^ b, ~a, a << 1, a >> 1, a == b, a.float() / b, a.pow(2)), i(-9, 9, (3, 4)), i(1, 5, (3, 4)))
    f("arange_mesh", lambda x: torch.stack(torch.meshgrid(torch.arange(x.shape[1]), torch.arange(x.shape[2]), indexing="ij")), seq)
    f("one_hot", lambda j: F.one_hot(j, 7), i(0, 7, (2, 5)))
    f("bucketize", lambda x: torch.bucketize(x, torch.tensor([-1.0, 0.0, 1.0])), r(3, 4))
    f("unique", lambda j: torch.unique(j), i(0, 7, (12,)))
    f("nonzero", lambda x: torch.nonzero(x > 0), r(3, 4))
    f("baddbmm", lambda a, b, c: torch.baddbmm(a, b, c, beta=0.5, alpha=2), r(2, 3, 5), r(2, 3, 4), r(2, 4, 5))
    f("outer", lambda a, b: (torch.outer(a, b), torch.kron(a, b), torch.dot(a, a)), r(4), r(3))
    f("fft", lambda x: torch.fft.rfft(x).abs(), r(2, 8))
    f("stft", lambda x: torch.stft(x, 8, 4, window=torch.hann_window(8), return_complex=False), r(2, 32))
    f("cross_entropy", lambda x, j: F.cross_entropy(x, j), r(4, 6), i(0, 6, (4,)))
    f("loss", lambda x, y: (F.mse_loss(x, y), F.smooth_l1_loss(x, y), F.kl_div(x.log_softmax(1), y.softmax(1))), r(4, 6), r(4, 6))
    f("half", lambda x: (x.half() * 2).float(), seq)
    f("loop", loop_scripted(), r(3, 4), torch.tensor(3))
    for group in (networks, places, numbers, matrices, flow):
        group(f)
    return m


def slice_assign(x):
    x = x.clone()
    x[:, 1:3, ::2] = 0.5
    return x


def loop_scripted():
    @torch.jit.script
    def f(x, n: torch.Tensor):
        for k in range(int(n)):
            if bool(x.sum() > 0):
                x = x * 0.5 - float(k)
            else:
                x = x + 1.0
        return x
    return f


def networks(f):
    r, i = torch.randn, torch.randint
    line, image, block, seq = r(2, 4, 15), r(2, 4, 12, 10), r(2, 4, 6, 7, 8), r(2, 7, 16)
    f("adaptive_sizes", nn.AdaptiveAvgPool2d((3, 5)), image)
    f("adaptive_max", nn.AdaptiveMaxPool2d((3, 5)), image)
    f("lp_pool", nn.LPPool2d(2, 3, 2), image)
    f("max_pool_indices", lambda x: F.max_pool2d(x, 2, return_indices=True), image)
    f("max_unpool", lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2), image)
    f("conv_even_same", nn.Conv2d(4, 6, (4, 2), padding="same", dilation=(1, 2)), image)
    f("conv_transpose_groups", nn.ConvTranspose2d(4, 6, (3, 2), stride=(2, 3), groups=2, dilation=(2, 1), output_padding=(1, 0)), image)
    f("conv_circular", nn.Conv2d(4, 6, 3, padding=(2, 1), padding_mode="circular"), image)
    f("conv_weights_given", lambda x, w: F.conv2d(x, w, padding=1), image, r(3, 4, 3, 3))
    f("conv_norm_relu", nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8), nn.ReLU6(), nn.Conv2d(8, 8, 3, groups=8), nn.Hardswish()).eval(), image)
    f("weight_norm", nn.utils.parametrizations.weight_norm(nn.Conv1d(4, 6, 3)), line)
    f("spectral_norm", nn.utils.parametrizations.spectral_norm(nn.Linear(16, 8)).eval(), seq)
    f("fold", lambda x: F.fold(F.unfold(x, 3, padding=1, stride=2), (12, 10), 3, padding=1, stride=2), image)
    f("unfold_axis", lambda x: x.unfold(2, 4, 3), image)
    f("pixel_unshuffle", nn.PixelUnshuffle(2), image)
    f("channel_shuffle", nn.ChannelShuffle(2), image)
    f("upsample_linear", nn.Upsample(scale_factor=2, mode="linear"), line)
    f("upsample_trilinear", nn.Upsample(scale_factor=(1.5, 2, 0.5), mode="trilinear"), block)
    f("upsample_area", lambda x: F.interpolate(x, size=(4, 5), mode="area"), image)
    f("antialias", lambda x: F.interpolate(x, size=(5, 4), mode="bilinear", antialias=True), image)
    f("affine_grid", lambda t, x: F.grid_sample(x, F.affine_grid(t, [2, 4, 6, 5], align_corners=True), mode="nearest", padding_mode="border", align_corners=True), r(2, 2, 3), image)
    f("grid_sample_cubic", lambda x, g: F.grid_sample(x, g, mode="bicubic", padding_mode="reflection", align_corners=False), image, r(2, 5, 5, 2))
    f("instance_group", nn.Sequential(nn.InstanceNorm2d(4, track_running_stats=True), nn.GroupNorm(4, 4, affine=False)).eval(), image)
    f("layer_norm_two", nn.LayerNorm((12, 10), elementwise_affine=False), image)
    f("lstm_projected", nn.LSTM(16, 8, proj_size=4, batch_first=True).eval(), seq)
    f("lstm_states", lambda x, h, c, l=nn.LSTM(16, 8, num_layers=2, batch_first=True).eval(): l(x, (h, c)), seq, r(2, 2, 8), r(2, 2, 8))
    f("rnn_relu", nn.RNN(16, 8, nonlinearity="relu", bidirectional=True).eval(), seq)
    f("cells", lambda x, h, g=nn.GRUCell(16, 8), l=nn.LSTMCell(16, 8): (g(x, h), l(x, (h, h))), r(3, 16), r(3, 8))
    f("transformer", nn.Transformer(16, 4, 1, 1, 32, batch_first=True).eval(), seq, r(2, 5, 16))
    f("multihead_masked", lambda x, b, l=nn.MultiheadAttention(16, 4, batch_first=True, add_bias_kv=True, add_zero_attn=True).eval(): l(x, x, x, key_padding_mask=b), seq, torch.arange(7).expand(2, 7) > torch.tensor([[6], [3]]))
    f("multihead_other_widths", nn.MultiheadAttention(16, 4, kdim=8, vdim=12, batch_first=True).eval(), seq, r(2, 5, 8), r(2, 5, 12))
    f("bag_sum_max", lambda j, a=nn.EmbeddingBag(20, 8, mode="sum"), b=nn.EmbeddingBag(20, 8, mode="max"): (a(j), b(j)), i(0, 20, (3, 5)))
    f("embedding_norm", lambda j, w: F.embedding(j, w, padding_idx=3), i(0, 20, (2, 5)), r(20, 8))
    f("losses", lambda x, y, j: (F.huber_loss(x, y), F.l1_loss(x, y, reduction="none"), F.nll_loss(x.log_softmax(1), j), F.binary_cross_entropy_with_logits(x, y.sigmoid()), F.cosine_embedding_loss(x, y, j * 0 + 1)), r(4, 6), r(4, 6), i(0, 6, (4,)))
    f("cross_entropy_smooth", lambda x, j: F.cross_entropy(x, j, label_smoothing=0.1, ignore_index=2), r(4, 6), torch.tensor([0, 2, 5, 2]))
    f("cross_entropy_image", lambda x, j: F.cross_entropy(x, j, reduction="none"), r(2, 5, 3, 4), i(0, 5, (2, 3, 4)))
    f("similarities", lambda x, y: (F.cosine_similarity(x, y, dim=1), F.pairwise_distance(x, y), torch.cdist(x, y, p=1)), r(4, 6), r(4, 6))
    f("more_activations", lambda x: (F.rrelu(x), F.threshold(x, 0.1, 2.0), F.hardshrink(x), F.softshrink(x), F.softmin(x, 1), F.gelu(x, approximate="tanh"), F.logsigmoid(x), F.glu(x, 1)), r(2, 8, 6))
    f("fake_quantize", lambda x: torch.fake_quantize_per_tensor_affine(x, 0.1, 3, 0, 255), seq)
    f("fake_quantize_axis", lambda x: torch.fake_quantize_per_channel_affine(x, torch.tensor([0.1, 0.2, 0.05, 0.3]), torch.zeros(4, dtype=torch.int32), 1, -128, 127), image)


def places(f):
    r, i = torch.randn, torch.randint
    seq, square = r(2, 7, 16), r(3, 5, 5)
    f("index_copy_fill", lambda x, j, y: (x.index_copy(0, j, y), x.index_fill(0, j, 0.5)), r(6, 3), torch.tensor([4, 0]), r(2, 3))
    f("index_put_add", lambda x, j, y: x.index_put((j,), y, accumulate=True), r(6, 3), torch.tensor([0, 2, 2]), r(3, 3))
    f("index_mask_assign", index_mask_assign, seq)
    f("index_mixed", lambda x, j: (x[:, j, 1:], x[..., None, j], x[-1], x[:, -3:, ::3]), seq, torch.tensor([[0, 6], [3, -1]]))
    f("masked_scatter", lambda x, b, y: x.masked_scatter(b, y), r(3, 4), r(3, 4) > 0, r(12))
    f("take", lambda x, j: (x.take(j), torch.take_along_dim(x, j % 2, 0)), r(3, 4), i(0, 12, (2, 4)))
    f("diagonals", lambda x: (x.diagonal(1, 1, 2), torch.diag_embed(x[0], 1), torch.diag(x[0]), torch.trace(x[0])), square)
    f("cumulative", lambda x: (x.cumsum(0), x.cumprod(1), x.cummax(1), x.flip(1).cumsum(1).flip(1)), square)
    f("search", lambda x: torch.searchsorted(torch.tensor([-1.0, 0.0, 1.0]), x, right=True), square)
    f("ranks", lambda x: (x.kthvalue(2, 1).values, x.median(1).values, x.quantile(0.25, 1), x.aminmax(dim=1)), square)
    f("counts", lambda j: (torch.bincount(j, minlength=9), torch.unique(j, return_counts=True, return_inverse=True), torch.unique_consecutive(j)), i(0, 7, (12,)))
    f("splits", lambda x: x.split([2, 4, 1], 1) + x.unbind(0) + x.tensor_split(3, 2), seq)
    f("shapes", lambda x: (x.movedim(0, 2), x.unflatten(2, (4, -1)), x.flatten(0, 1), x.permute(2, 0, 1), x.view(2, -1), x[:, :1].expand(-1, 4, -1), x.swapaxes(0, 1).reshape(-1), x.new_zeros(2, 3), x.squeeze().unsqueeze(-1)), seq)
    f("lengths", lambda x: (x.reshape(x.shape[0] * x.shape[1], -1), torch.full((x.shape[1], 2), x.shape[2]), torch.arange(0, x.shape[2], 2), torch.linspace(0, 1, x.shape[1]), torch.eye(x.shape[1])), seq)
    f("strided", lambda x: x.as_strided((2, 3, 4), (112, 16, 2), 5), seq)
    f("scatter_reductions", lambda x, j, y: tuple(x.scatter_reduce(1, j, y, how) for how in ("sum", "prod", "amin", "amax")), r(3, 5), i(0, 5, (3, 4)), r(3, 4))
    f("scatter_value", lambda x, j: (x.scatter(1, j, 2.0), x.select_scatter(x[1] * 2, 0, 0), x.slice_scatter(x[:, :2] * 3, 1, 1, 3), x.diagonal_scatter(x[0, :3])), r(3, 5), torch.tensor([[0, 2], [1, 4], [3, 0]]))
    f("joins", lambda x, y: (torch.cat((x, y), 1), torch.stack((x, x * 2), -1), torch.hstack((x, y)), torch.block_diag(x[0], y[0]), torch.cartesian_prod(x[0, 0], y[0, 0])), r(2, 3, 4), r(2, 5, 4))
    f("rotations", lambda x: (torch.rot90(x, 1, (1, 2)), x.roll((1, -2), (0, 2)), x.fliplr(), x.T if x.dim() == 2 else x.mT), seq)
    f("wheres", lambda x: (torch.where(x > 0), torch.argwhere(x > 1), torch.where(x > 0, 1.0, -1.0), (x > 0).sum(1), torch.count_nonzero(x > 0, 1)), r(3, 4))
    f("empty", lambda x: (x[:, :0], x[:, :0].sum(1), torch.cat((x[:, :0], x), 1), x[:, :0] * 2, x[:0].softmax(-1)), seq)
    f("boolean", lambda x, y: (x & y, x | y, x ^ y, ~x, x.any(1), x.all(1), x.logical_and(y), x.to(torch.int64).sum(), x == y), r(3, 4) > 0, r(3, 4) > 0)


def index_mask_assign(x):
    x = x.clone()
    x[x > 0.5] = -1.0
    x[:, 2] += 1
    return x


def numbers(f):
    r, i = torch.randn, torch.randint
    x = r(3, 4)
    f("trigonometry", lambda x: (x.sin(), x.cos(), x.tan(), x.clamp(-0.9, 0.9).asin(), x.clamp(-0.9, 0.9).acos(), x.sinh(), x.cosh(), x.tanh(), x.asinh(), (x.abs() + 1).acosh(), x.clamp(-0.9, 0.9).atanh(), torch.hypot(x, x + 1), torch.deg2rad(x)), x)
    f("logarithms", lambda x: (x.log2(), x.log10(), x.log1p(), x.exp2(), torch.logaddexp(x, x * 2), torch.logit(x.clamp(0.1, 0.9)), x.rsqrt(), x.reciprocal(), x.square(), torch.special.xlogy(x, x)), x.abs() + 0.1)
    f("special", lambda x: (torch.erfc(x), torch.special.erfinv(x.clamp(-0.9, 0.9)), torch.sinc(x), torch.heaviside(x, x * 0 + 0.5), torch.copysign(x, -x), torch.special.entr(x.abs())), x)
    f("lerps", lambda x, y: (torch.lerp(x, y, 0.3), torch.addcmul(x, x, y, value=0.5), torch.addcdiv(x, x, y.abs() + 1, value=2), torch.maximum(x, y), torch.fmin(x, y), x.clamp_min(y), x.dist(y)), x, r(3, 4))
    f("rounding", lambda x: (x.ceil(), torch.round(x, decimals=1), x.fix(), x // 0.5, torch.div(x, 0.7, rounding_mode="trunc"), x % 0.5, x.signbit(), x.positive(), torch.floor_divide(x, 0.3)), x)
    f("infinities", lambda x: (torch.isinf(x / 0), (x / 0).nan_to_num(1.0, 2.0, 3.0), torch.isclose(x, x + 1e-9), (x * float("nan")).isnan(), torch.isfinite(x.log())), x)
    f("promotion", lambda a, x: (a + x, a * 2.5, a / 2, a.to(torch.float64) * x, (a > 1) * x, a.sum() * x.mean(), a.to(torch.int32) + a, a.to(torch.uint8) % 3), i(1, 9, (3, 4)), x)
    f("integer_math", lambda a, b: (a.float().remainder(b), torch.div(a, b, rounding_mode="floor"), torch.div(a, b, rounding_mode="trunc"), a.fmod(b), a.abs(), a.sign(), a.clamp(-3, 3), -a, a.bitwise_and(b), a.prod(1), a.max(1), a.argmin(1), a.cumsum(1), a.float().mean()), i(-9, 9, (3, 4)), i(1, 5, (3, 4)))
    f("doubles", lambda x: (x.exp(), x.matmul(x.T), x.softmax(1), x.erf(), x.std(1), x.topk(2), F.layer_norm(x, (4,))), x.double())
    f("halves", lambda x: (x.half().exp(), x.half().softmax(-1), (x.half() @ x.half().T).float(), F.layer_norm(x.half(), (4,)), x.half().sum(1)), x)
    f("brain_floats", lambda x: ((x.bfloat16() * 2).float(), (x.bfloat16() @ x.bfloat16().T).float(), x.bfloat16().softmax(-1).float(), F.gelu(x.bfloat16()).float()), x)
    f("small_integers", lambda x: (x.to(torch.int8) * 2, x.to(torch.uint8) + 1, x.to(torch.int16) // 2, x.to(torch.int32) << 1, x.to(torch.int8).float()), i(0, 9, (3, 4)))
    f("float8", lambda x: (x.to(torch.float8_e4m3fn).float(), x.to(torch.float8_e5m2).float()), x)
    f("moments", lambda x: (torch.var_mean(x, 1), torch.std_mean(x, (1, 2), correction=0), x.norm(), x.norm(1, 2), x.norm(float("inf"), 1), torch.corrcoef(x[0]), torch.cov(x[0]), x.nansum(1), x.sum((0, 2)), x.mean(dtype=torch.float64)), r(2, 5, 6))
    f("renorm", lambda x: (x.renorm(2, 0, 1.0), F.normalize(x, p=1, dim=-1), x / x.norm(dim=-1, keepdim=True)), r(3, 8))


def matrices(f):
    r = torch.randn
    a, b = r(3, 4, 5), r(3, 5, 2)
    f("products", lambda a, b: (a @ b, torch.bmm(a, b), torch.tensordot(a, b, ([2], [1])), a[0].mv(b[0, :, 0]), torch.addmm(a[:1, :1, :2].reshape(1, 2), a[0], b[0]), torch.chain_matmul(a[0], b[0]), torch.inner(a, a), a.matmul(b[0]), a[0, 0].matmul(b)), a, b)
    f("einsums", lambda a, b: (torch.einsum("bij,bjk->ik", a, b), torch.einsum("ijk->kji", a), torch.einsum("bij->b", a), torch.einsum("bij,bij->bi", a, a), torch.einsum("...ij,...jk->...ik", a, b), torch.einsum("bi,bj,bk->bijk", a[:, 0], a[:, 1], b[:, 0])), a, b)
    f("determinant", lambda x: torch.linalg.det(x), r(3, 4, 4))
    f("inverse", lambda x: torch.linalg.inv(x @ x.mT + torch.eye(4)), r(3, 4, 4))
    f("matrix_norms", lambda x: (torch.linalg.matrix_norm(x), torch.linalg.vector_norm(x, 1, (1, 2)), torch.linalg.cross(x[:, 0, :3], x[:, 1, :3]), torch.matrix_power(x[:, :4, :4], 3)), a)
    f("fft_complex", lambda x: torch.view_as_real(torch.fft.fft(torch.complex(x, x * 2))), r(2, 8))
    f("fft_back", lambda x: torch.fft.irfft(torch.fft.rfft(x, norm="ortho"), n=8, norm="ortho"), r(2, 8))
    f("fft_two", lambda x: torch.view_as_real(torch.fft.fft2(x)), r(2, 6, 8))
    f("complex_rotary", lambda x, t: torch.view_as_real(torch.view_as_complex(x) * torch.view_as_complex(t)), r(2, 5, 4, 2), r(5, 4, 2))
    f("stft_window", lambda x: torch.stft(x, 8, 2, window=torch.hamming_window(8), center=True, onesided=True, return_complex=True).abs(), r(2, 32))
    f("attention_by_hand", lambda q, k, v, m: ((q @ k.mT * 0.35).masked_fill(m, float("-inf")).softmax(-1) @ v, (q @ k.mT).float().masked_fill(m, torch.finfo(torch.float32).min).softmax(-1)), r(2, 3, 6, 8), r(2, 3, 9, 8), r(2, 3, 9, 8), torch.arange(9).expand(2, 1, 1, 9) > torch.tensor([8, 4]).view(2, 1, 1, 1))


def flow(f):
    x = torch.randn(3, 4)
    f("cond", lambda x: torch.cond(x.sum() > 0, lambda x: x * 2, lambda x: x - 1, (x,)), x)
    f("cond_nested", lambda x: torch.cond(x.mean() > 5, lambda x: x * 2, lambda x: torch.cond(x.max() > 0, lambda x: x.exp(), lambda x: x.cos(), (x,)), (x,)), x)
    f("while", while_loop, x)
    f("scan", scan_sum, x)
    f("script_if", script_if(), x)
    f("script_list", script_list(), x)
    f("script_nested", script_nested(), x, torch.tensor(4))


def while_loop(x):
    from torch._higher_order_ops.while_loop import while_loop as run
    return run(lambda k, x: k < 4, lambda k, x: (k + 1, x * 0.5 + k), (torch.tensor(0), x))


def scan_sum(x):
    from torch._higher_order_ops.scan import scan
    return scan(lambda carry, row: (carry * 0.5 + row, carry + row), torch.zeros(4), x, dim=0)


def script_if():
    @torch.jit.script
    def f(x):
        y = x
        if bool(x.sum() > 0):
            y = torch.cat([x, x * 2], 0)
        elif bool(x[0, 0] > 0):
            y = x.t()
        return y * 2
    return f


def script_list():
    @torch.jit.script
    def f(x):
        rows = []
        for k in range(x.size(0)):
            rows.append(x[k] * k)
        return torch.stack(rows, 1)
    return f


def script_nested():
    @torch.jit.script
    def f(x, n: torch.Tensor):
        total = torch.zeros(4)
        k = 0
        while k < int(n):
            for j in range(2):
                if k > j:
                    total = total + x[j] * k
                else:
                    total = total - x[j]
            k += 1
        return total
    return f
