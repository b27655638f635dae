# The benchmark's cases on PyTorch's CPU kernels: a worker that reads a JSON line (build, run, outputs, dispose) and answers with one.
# Arrays travel in files: float32 or int32, row-major, in PyTorch's layout.
import json, sys, time
import numpy as np, torch, torch.nn.functional as F

jobs = {}

def load(item):
    dtype = np.int32 if item['int'] else np.float32
    return torch.from_numpy(np.fromfile(item['file'], dtype=dtype).reshape(item['shape']).copy())

def nhwc(x):
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x

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

def build(work, t):
    op = work['op']
    if op == 'matmul':
        return with_gradients(torch.matmul, [t['a'], t['b']], None)
    if op == 'conv':
        pad = work['dilation'] * (work['kernel'] - 1) // 2
        f = lambda x, w: F.conv2d(x, w, None, work['stride'], pad, work['dilation'], work['groups'])
        return with_gradients(f, [nhwc(t['x']), nhwc(t['w'])], t.get('dy'))
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
        return with_gradients(f, [nhwc(t['x'])], torch.ones(()))
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
        for v in p.values():
            v.requires_grad_(True)
        sgd = torch.optim.SGD(p.values(), lr=work['lr'], momentum=work['momentum'])
        def step():
            loss = F.cross_entropy(unet(p, x, levels, True), y)
            sgd.zero_grad(set_to_none=True)
            loss.backward()
            sgd.step()
            return [loss]
        step.training = True
        return step
    return None

def answer(m):
    if m['do'] == 'version':
        torch.set_num_threads(m['threads'])
        return {'version': torch.__version__}
    if m['do'] == 'build':
        job = build(m['work'], {k: load(v) for k, v in m['inputs'].items()})
        if job is None:
            return {'why': 'no such network comes with it'}
        jobs[m['id']] = job
        return {}
    job = jobs[m['id']]
    if m['do'] == 'run':
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(m['times']):
            job()
        return {'cpu': time.process_time() - cpu, 'wall': time.perf_counter() - wall}
    if m['do'] == 'outputs':
        if getattr(job, 'training', False):
            arrays = [np.array([job()[0].item() for _ in range(m['steps'])], np.float32)]
        else:
            arrays = [y.detach().contiguous().float().numpy() for y in job()]
        for i, a in enumerate(arrays):
            a.tofile(f"{m['folder']}/out{i}")
        return {'count': len(arrays)}
    del jobs[m['id']]
    return {}

for line in sys.stdin:
    try:
        print(json.dumps(answer(json.loads(line))), flush=True)
    except Exception as error:
        print(json.dumps({'error': f'{type(error).__name__}: {error}'}), flush=True)
