# The benchmark's cases on PyTorch, on the CPU or with CUDA: a worker that reads a JSON line (build, run, outputs, dispose) and answers with one.
# Arrays travel in files: float32 or int32, row-major, in PyTorch's layout. Precisions: f32 (without TF32), f64 (the reference), and f16: storage in half for
# single operations, autocast with a gradient scaler for training steps.
import gc, json, math, os, sys, time
import numpy as np, torch, torch.nn.functional as F

jobs = {}
device = torch.device('cpu')
# How images lie in memory while a job is built.
memory_format = torch.channels_last

def load(item, precision, training):
    dtype = np.int32 if item['int'] else np.float32
    t = torch.from_numpy(np.fromfile(item['file'], dtype=dtype)).to(device)
    if not item['int']:
        t = t.to({'f64': torch.float64, 'f16': torch.float32 if training else torch.float16}.get(precision, torch.float32))
    size = math.prod(item['shape'])
    if t.numel() < size:
        t = t.repeat(-(-size // t.numel()))[:size]
    if item['last']:
        n, c, h, w = item['shape']
        return t.reshape(n, h, w, c).permute(0, 3, 1, 2)
    return t.reshape(item['shape'])

def nhwc(x):
    return x.contiguous(memory_format=memory_format) if x.dim() == 4 else x

def unet(p, x, levels, train):
    def layer(h, name):
        z = F.conv2d(h, p[name + '.conv.weight'], padding=1)
        gamma, beta = p[name + '.bn.weight'], p[name + '.bn.bias']
        if train:
            z = F.batch_norm(z, None, None, gamma, beta, True)
        else:
            z = F.batch_norm(z, torch.zeros_like(beta), torch.ones_like(beta), gamma, beta, False)
        return F.relu(z)
    block = lambda h, name: layer(layer(h, name + '.0'), name + '.1')
    skips, h = [], x
    for i in range(levels):
        h = block(F.max_pool2d(h, 2) if i else h, f'enc{i}')
        skips.append(h)
    for i in range(levels - 2, -1, -1):
        up = F.interpolate(h, scale_factor=2, mode='bilinear', align_corners=False)
        h = block(torch.cat([skips[i], up], 1), f'dec{i}')
    return F.conv2d(h, p['head.weight'], p['head.bias'])

BLOCKS = {18: [2, 2, 2, 2], 50: [3, 4, 6, 3]}

def deeplab(p, x, depth):
    def conv(h, name, stride=1, pad=0, dilation=1):
        return F.conv2d(h, p[name + '.weight'], p.get(name + '.bias'), stride, pad, dilation)
    def bn(h, name):
        return F.batch_norm(h, None, None, p[name + '.weight'], p[name + '.bias'], True)
    def layer(h, name, pad=0, dilation=1, parts=('0', '1')):
        return F.relu(bn(conv(h, f'{name}.{parts[0]}', 1, pad, dilation), f'{name}.{parts[1]}'))
    resize = lambda h, like: F.interpolate(h, size=like.shape[2:], mode='bilinear', align_corners=True)
    h = F.relu(bn(conv(x, 'backbone.conv1', 2, 3), 'backbone.bn1'))
    h = F.max_pool2d(h, 3, 2, 1)
    for s, count in enumerate(BLOCKS[depth]):
        for b in range(count):
            name = f'backbone.layer{s + 1}.{b}'
            stride, d = 2 if b == 0 and s in (1, 2) else 1, 2 if s == 3 else 1
            first = 1 if b == 0 else d
            if depth >= 50:
                z = F.relu(bn(conv(h, name + '.conv1'), name + '.bn1'))
                z = F.relu(bn(conv(z, name + '.conv2', stride, first, first), name + '.bn2'))
                z = bn(conv(z, name + '.conv3'), name + '.bn3')
            else:
                z = F.relu(bn(conv(h, name + '.conv1', stride, first, first), name + '.bn1'))
                z = bn(conv(z, name + '.conv2', 1, d, d), name + '.bn2')
            if name + '.downsample.0.weight' in p:
                h = bn(conv(h, name + '.downsample.0', stride), name + '.downsample.1')
            h = F.relu(z + h)
        if s == 0:
            shallow = h
    parts = [layer(h, 'classifier.0.convs.0')] + [layer(h, f'classifier.0.convs.{i + 1}', r, r) for i, r in enumerate((6, 12, 18))]
    parts.append(resize(layer(h.mean((2, 3), keepdim=True), 'classifier.0.convs.4', parts=('1', '2')), h))
    h = layer(torch.cat(parts, 1), 'classifier.0.project')
    h = torch.cat([resize(h, shallow), layer(shallow, 'decoder.low')], 1)
    h = layer(layer(h, 'decoder.conv0', 1), 'decoder.conv1', 1)
    return resize(conv(h, 'head'), x)

def training(p, forward, y, work, precision):
    for v in p.values():
        v.requires_grad_(True)
    sgd = torch.optim.SGD(p.values(), lr=work['lr'], momentum=work['momentum'])
    half = precision == 'f16'
    scaler = (torch.amp.GradScaler if hasattr(torch.amp, 'GradScaler') else torch.cuda.amp.GradScaler)(init_scale=work['lossScale'], enabled=half)
    def step():
        with torch.autocast(device.type, dtype=torch.float16 if half else torch.bfloat16, enabled=half):
            loss = F.cross_entropy(forward(), y())
        sgd.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.step(sgd)
        scaler.update()
        return [loss]
    step.training = True
    return step

def with_gradients(f, leaves, dy):
    if dy is None:
        def forward():
            with torch.no_grad():
                return [f(*leaves)]
        return forward
    for t in leaves:
        t.requires_grad_(True)
    def both():
        y = f(*leaves)
        return [y, *torch.autograd.grad(y, leaves, dy)]
    return both

# A pass over the images of a folder in VOC layout as scripts write it: decode, scale, crop, flip, step; on one thread, as the engine decodes beside its steps.
def epoch(work, p):
    from PIL import Image
    names = sorted(n[:-4] for n in os.listdir(work['data'] + '/JPEGImages'))
    rng, (ch, cw) = np.random.default_rng(1), work['crop']
    mean, std = (np.array(v, np.float32) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    def view(name):
        image, mask = Image.open(f"{work['data']}/JPEGImages/{name}.jpg").convert('RGB'), Image.open(f"{work['data']}/SegmentationClass/{name}.png")
        size = tuple(round(v * rng.uniform(0.75, 1.5)) for v in image.size)
        image, mask = image.resize(size, Image.BILINEAR), mask.resize(size, Image.NEAREST)
        x, y = rng.integers(0, size[0] - cw + 1), rng.integers(0, size[1] - ch + 1)
        box = (x, y, x + cw, y + ch)
        a, b = (np.asarray(image.crop(box), np.float32) / 255 - mean) / std, np.asarray(mask.crop(box), np.int64)
        return (a[:, ::-1], b[:, ::-1]) if rng.random() < 0.5 else (a, b)
    batch = {}
    step = training(p, lambda: unet(p, batch['x'], 4, True), lambda: batch['y'], work, 'f32')
    def whole():
        rng.shuffle(names)
        for i in range(0, len(names), work['batch']):
            views = [view(n) for n in names[i:i + work['batch']]]
            batch['x'] = nhwc(torch.from_numpy(np.stack([a for a, _ in views])).to(device).permute(0, 3, 1, 2))
            batch['y'] = torch.from_numpy(np.stack([b for _, b in views])).to(device)
            loss = step()
        return loss
    return whole

def build(work, t, precision):
    op = work['op']
    if op == 'matmul':
        return with_gradients(torch.matmul, [t['a'], t['b']], None)
    if op == 'conv':
        pad = work['dilation'] * (work['kernel'] - 1) // 2
        f = lambda x, w: F.conv2d(x, w, None, work['stride'], pad, work['dilation'], work['groups'])
        return with_gradients(f, [nhwc(t['x']), nhwc(t['w'])], nhwc(t['dy']) if 'dy' in t else None)
    if op == 'batchNorm':
        f = lambda x, g, b: F.batch_norm(x, None, None, g, b, True)
        return with_gradients(f, [nhwc(t['x']), t['gamma'], t['beta']], nhwc(t['dy']))
    if op == 'predictions':
        x = nhwc(t['x'])
        def predictions():
            with torch.no_grad():
                confidence, label = F.softmax(x, 1).max(1)
                return [confidence, label]
        return predictions
    if op == 'crossEntropy':
        y = t['y'].long()
        def f(x):
            return F.cross_entropy(x, y)
        return with_gradients(f, [nhwc(t['x'])], torch.ones((), dtype=t['x'].dtype, device=device))
    if op == 'resize':
        f = lambda x: F.interpolate(x, scale_factor=work['scale'], mode='bilinear', align_corners=False)
        return with_gradients(f, [nhwc(t['x'])], t.get('dy'))
    if op == 'adds':
        def adds():
            with torch.no_grad():
                y = t['x']
                for _ in range(work['count']):
                    y = y + t['b']
                return [y]
        return adds
    if op == 'unet':
        x, levels = nhwc(t['x']), len(work['widths'])
        p = {k: nhwc(v) for k, v in t.items() if k not in ('x', 'y')}
        if not work['train']:
            def inference():
                with torch.no_grad():
                    return [unet(p, x, levels, False)]
            return inference
        y = t['y'].long()
        return training(p, lambda: unet(p, x, levels, True), lambda: y, work, precision)
    if op == 'deeplab':
        p = {k: nhwc(v) for k, v in t.items() if k not in ('x', 'y')}
        x = nhwc(t['x'])
        y = t['y'].long()
        return training(p, lambda: deeplab(p, x, work['depth']), lambda: y, work, precision)
    if op == 'epoch':
        return epoch(work, {k: nhwc(v) for k, v in t.items()})
    return None

def wait():
    if device.type == 'cuda':
        torch.cuda.synchronize()

def seconds(job, times):
    job()
    job()
    wait()
    start = time.perf_counter()
    for _ in range(times):
        job()
    wait()
    return time.perf_counter() - start

# Of the two layouts of images, neither is always the faster one on GPUs: the job takes the better.
def fastest(work, inputs, precision):
    global memory_format
    best, least = None, math.inf
    formats = [torch.channels_last, torch.contiguous_format] if device.type == 'cuda' and precision != 'f64' and work['op'] in ('conv', 'unet', 'deeplab') else [torch.channels_last]
    for memory_format in formats:
        # Weights are trained while a job is timed: each starts from its own.
        t = {k: v.detach().clone() for k, v in inputs.items()} if len(formats) > 1 else inputs
        job = build(work, t, precision)
        if len(formats) == 1 or job is None:
            return job
        took = seconds(job, 3)
        if took < least:
            best, least = memory_format, took
        del job, t
    memory_format = best
    return build(work, inputs, precision)

def elements(y, at):
    index = torch.from_numpy(np.fromfile(at, dtype=np.int32)).to(device).long()
    where = []
    for size in reversed(y.shape):
        where.insert(0, index % size)
        index = torch.div(index, size, rounding_mode='floor')
    return y[tuple(where)]

def numbers(y):
    return y.detach().contiguous().float().cpu().numpy()

def answer(m):
    global device
    if m['do'] == 'version':
        torch.set_num_threads(m['threads'])
        if m['cuda'] and torch.cuda.is_available():
            device = torch.device('cuda')
            torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cudnn.allow_tf32 = False
            torch.backends.cudnn.benchmark = True
            return {'version': f'{torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}, {torch.cuda.get_device_name()}', 'cuda': True}
        return {'version': torch.__version__, 'cuda': False}
    if m['do'] == 'build':
        work, precision = m['work'], m['precision']
        if precision == 'f16' and device.type == 'cpu':
            return {'why': 'no f16 on the CPU'}
        if device.type == 'cuda':
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        training = work['op'] in ('unet', 'deeplab')
        job = fastest(work, {k: load(v, precision, training) for k, v in m['inputs'].items()}, precision)
        if job is None:
            return {'why': 'there is no such thing here'}
        jobs[m['id']] = job
        return {}
    if m['do'] == 'dispose':
        jobs.pop(m['id'], None)
        if device.type == 'cuda':
            # The memory is wanted by the other engine.
            gc.collect()
            torch.cuda.empty_cache()
        return {}
    job = jobs[m['id']]
    if m['do'] == 'run':
        if device.type == 'cuda':
            torch.cuda.reset_peak_memory_stats()
        cpu = time.process_time()
        for _ in range(m['times']):
            job()
        wait()
        return {'cpu': time.process_time() - cpu, 'peak': torch.cuda.max_memory_allocated() if device.type == 'cuda' else 0}
    if getattr(job, 'training', False):
        arrays = [np.array([job()[0].item() for _ in range(m['steps'])], np.float32)]
    elif m['do'] == 'sampled':
        arrays = [numbers(elements(y, f"{m['folder']}/at{i}")) for i, y in enumerate(job())]
    else:
        arrays = [numbers(y) for y in job()]
    for i, a in enumerate(arrays):
        a.tofile(f"{m['folder']}/out{i}")
    return {'count': len(arrays)}

for line in sys.stdin:
    try:
        print(json.dumps(answer(json.loads(line))), flush=True)
    except Exception as error:
        print(json.dumps({'error': f'{type(error).__name__}: {error}'}), flush=True)
