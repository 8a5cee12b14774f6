// gRPC by the package `@grpc/grpc-js`, which Debian does not have; so this is run by hand, with a proxy between server and client:
//
//     npm install @grpc/grpc-js
//     node grpc-matrix.js server PORT &
//     node grpc-matrix.js client PROXY_ADDRESS [MESSAGES]
//
// The client prints a line for each kind of call, and exits with 1 if one of them fails. The proxy needs limits.body = "none".
'use strict';
const grpc = require('@grpc/grpc-js');

const same = bytes => bytes;
const bytes = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same };
const method = (name, requestStream, responseStream) =>
    ({ path: `/test.Echo/${name}`, requestStream, responseStream, ...bytes });
const service = {
    Unary: method('Unary', false, false),
    Collect: method('Collect', true, false),
    Produce: method('Produce', false, true),
    Both: method('Both', true, true),
    Hold: method('Hold', false, false),
    Cancelled: method('Cancelled', false, false),
    Fail: method('Fail', false, false),
};
const options = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };
const raw = Buffer.from([0, 255, 10, 13]);

function serve(port) {
    const cancelled = [];
    const server = new grpc.Server(options);
    server.addService(service, {
        Unary(call, done) {
            const metadata = new grpc.Metadata();
            for (const key of ['x-word', 'x-raw-bin']) {
                call.metadata.get(key).forEach(value => metadata.add(key, value));
            }
            call.sendMetadata(metadata);
            done(null, call.request, metadata);
        },
        Collect(call, done) {
            let count = 0;
            let size = 0;
            call.on('data', message => {
                count++;
                size += message.length;
            });
            call.on('end', () => done(null, Buffer.from(`${count} ${size}`)));
        },
        Produce(call) {
            const [count, size] = call.request.toString().split(' ').map(Number);
            for (let i = 0; i < count; i++) {
                call.write(Buffer.alloc(size, i & 255));
            }
            call.end();
        },
        Both(call) {
            call.on('data', message => call.write(message));
            call.on('end', () => call.end());
        },
        Hold(call) {
            call.on('cancelled', () => cancelled.push(Date.now()));
        },
        Cancelled(call, done) {
            done(null, Buffer.from(JSON.stringify(cancelled)));
        },
        Fail(call, done) {
            done({ code: grpc.status.UNAVAILABLE, details: 'asked ü%' });
        },
    });
    server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), error => {
        if (error) {
            throw error;
        }
    });
}

function say(name, good, detail) {
    process.stdout.write(`${good ? 'ok' : 'not ok'} - ${name}${detail ? `: ${detail}` : ''}\n`);
    if (!good) {
        process.exitCode = 1;
    }
}

/* The number of messages with which a stream answers; -1: it fails. `talk` sends. */
function countOf(call, onMessage, talk) {
    return new Promise(resolve => {
        let count = 0;
        call.on('data', message => onMessage(message, ++count));
        call.on('end', () => resolve(count));
        call.on('error', () => resolve(-1));
        talk();
    });
}

async function ask(address, messages) {
    const client = new (grpc.makeGenericClientConstructor(service, 'Echo'))(
        address, grpc.credentials.createInsecure(), options);
    const unary = (name, message, extra = {}) => new Promise(resolve => {
        client[name](message, new grpc.Metadata(), extra, (error, answer) => resolve({ error, answer }));
    });
    const cancelled = async () => JSON.parse((await unary('Cancelled', Buffer.alloc(0))).answer);
    const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));  // how long a cancellation may take is what is measured

    const metadata = new grpc.Metadata();
    metadata.add('x-word', 'a b');
    metadata.add('x-raw-bin', raw);
    await new Promise(resolve => {
        let initial;
        const call = client.Unary(Buffer.from('m'), metadata, (error, answer) =>
            say('unary', !error && answer.toString() === 'm', error));
        call.on('metadata', received => { initial = received; });
        call.on('status', status => {
            say('metadata', initial.get('x-word')[0] === 'a b' && raw.equals(status.metadata.get('x-raw-bin')[0]));
            resolve();
        });
    });

    await new Promise(resolve => {
        const call = client.Collect((error, answer) => {
            say('client streaming', !error && answer.toString() === '200 200000', error);
            resolve();
        });
        for (let i = 0; i < 200; i++) {
            call.write(Buffer.alloc(1000));
        }
        call.end();
    });

    const download = client.Produce(Buffer.from('500 1000'));
    say('server streaming', await countOf(download, same, same) === 500);

    const turns = client.Both();
    const turn = (message, count) => (count < 100 ? turns.write(message) : turns.end());
    say('in turns', await countOf(turns, turn, () => turns.write(Buffer.from('x'))) === 100);

    const stream = client.Both();
    let sent = 0;
    const talk = () => {
        while (sent < messages) {
            if (!stream.write(Buffer.from(String(sent++)))) {
                stream.once('drain', talk);
                return;
            }
        }
        stream.end();
    };
    const count = await countOf(stream, same, talk);
    say(`${messages} messages on one stream`, count === messages, count);

    const large = Buffer.alloc(64 << 20, 7);
    const back = await unary('Unary', large);
    say('64 MiB', !back.error && large.equals(back.answer), back.error);

    const late = await unary('Hold', Buffer.alloc(0), { deadline: Date.now() + 300 });
    say('deadline', late.error && late.error.code === grpc.status.DEADLINE_EXCEEDED, late.error);

    const failed = await unary('Fail', Buffer.alloc(0));
    say('trailers-only', failed.error && failed.error.code === grpc.status.UNAVAILABLE &&
        failed.error.details === 'asked ü%', failed.error);

    await sleep(300);
    const before = (await cancelled()).length;
    const held = client.Hold(Buffer.alloc(0), same);
    await sleep(200);
    const begun = Date.now();
    held.cancel();
    await sleep(300);
    const ended = await cancelled();
    say('cancellation within 50 ms', ended.length === before + 1 && ended[before] - begun <= 50, `${ended[before] - begun} ms`);
    client.close();
}

const [, , role, place, messages] = process.argv;
if (role === 'server') {
    serve(place);
} else {
    ask(place, Number(messages || 100000));
}
