// WebSocket client on the `ws` package: `node echo-client.js URL TEST [COUNT]` runs one test, exits 0 if it holds.
'use strict';
const crypto = require('crypto');
const WebSocket = require('ws');

const [, , url, test, count] = process.argv;

function fail(why) {
    process.stderr.write(`${why}\n`);
    process.exit(1);
}

function open(path, protocols) {
    return new Promise(resolve => {
        const socket = new WebSocket(url + path, protocols, { maxPayload: 64 << 20 });
        socket.on('error', error => fail(`${path}: ${error.message}`));
        socket.inbox = [];
        socket.waiting = [];
        socket.on('message', (data, binary) => {
            const message = binary ? data : data.toString();
            const waiter = socket.waiting.shift();
            if (waiter) waiter(message); else socket.inbox.push(message);
        });
        socket.closed = new Promise(done => socket.on('close', (code, reason) => done(`${code} ${reason}`)));
        socket.on('open', () => resolve(socket));
    });
}

function next(socket) {
    if (socket.inbox.length) return Promise.resolve(socket.inbox.shift());
    return new Promise(resolve => socket.waiting.push(resolve));
}

function same(seen, expected, what) {
    if (seen !== expected) fail(`${what}: expected ${expected}, saw ${seen}`);
}

const tests = {
    // COUNT messages of growing size sent without waiting, all echoed in order.
    async echo() {
        const socket = await open('/echo');
        const total = Number(count);
        for (let i = 0; i < total; i++) socket.send(`${i}:${'x'.repeat((i * 37) % 3000)}`);
        for (let i = 0; i < total; i++) same(await next(socket), `${i}:${'x'.repeat((i * 37) % 3000)}`, `message ${i}`);
        socket.close(1000, 'done');
        same(await socket.closed, '1000 done', 'close');
    },
    // One message at a time: nothing may be held back.
    async pingpong() {
        const socket = await open('/echo');
        for (let i = 0; i < Number(count); i++) {
            socket.send(`m${i}`);
            same(await next(socket), `m${i}`, `message ${i}`);
        }
        socket.close(1000);
        await socket.closed;
    },
    async binary() {
        const socket = await open('/echo');
        for (const size of [0, 1, 125, 126, 65535, 65536, 1 << 20, 8 << 20]) {
            const payload = crypto.randomBytes(size);
            socket.send(payload);
            same(Buffer.compare(await next(socket), payload), 0, `payload of ${size} bytes`);
        }
        socket.close(1000);
        await socket.closed;
    },
    async control() {
        const socket = await open('/echo');
        const pong = new Promise(resolve => socket.on('pong', payload => resolve(payload.toString())));
        socket.ping('are you there');
        same(await pong, 'are you there', 'pong');
        socket.close(1000);
        await socket.closed;
    },
    async closecodes() {
        for (const code of [1000, 1001, 1008, 1011, 3000, 4999]) {
            const socket = await open('/echo');
            socket.send(`close:${code}:because`);
            same(await socket.closed, `${code} because`, `close by the server with ${code}`);
        }
        for (const code of [1000, 3001, 4000]) {
            const socket = await open('/echo');
            socket.close(code, 'mine');
            same(await socket.closed, `${code} mine`, `close by the client with ${code}`);
        }
        const socket = await open('/echo');
        socket.send('terminate');
        same(await socket.closed, '1006 ', 'close without a close frame');
    },
    async handshake() {
        const plain = await open('/path?query=1');
        plain.send('url');
        same(await next(plain), '/path?query=1', 'url at the server');
        plain.close();
        const spoken = await open('/echo', ['other', 'evenkeel.test']);
        same(spoken.protocol, 'evenkeel.test', 'subprotocol');
        spoken.close();
        for (let i = 0; i < 50; i++) {
            const greeted = await open('/greeting');
            same(await next(greeted), 'greeting', 'first message behind the 101');
            greeted.close();
        }
    },
    // COUNT sockets at once, ten messages each.
    async many() {
        const sockets = await Promise.all(Array.from({ length: Number(count) }, () => open('/echo')));
        for (let round = 0; round < 10; round++) {
            sockets.forEach((socket, i) => socket.send(`${round}.${i}`));
            await Promise.all(sockets.map(async (socket, i) => same(await next(socket), `${round}.${i}`, 'echo')));
        }
        sockets.forEach(socket => socket.close(1000));
        await Promise.all(sockets.map(socket => socket.closed));
    },
    // Stays open, silent, until somebody closes: prints how long that took and the code.
    async silent() {
        const socket = await open('/echo');
        process.stdout.write('open\n');
        process.stdout.write(`closed ${await socket.closed}\n`);
    },
};

tests[test]().then(() => process.exit(0), error => fail(error.stack));
