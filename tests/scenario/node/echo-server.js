// WebSocket echo server on the `ws` package: echoes messages, and closes as the message "close:CODE:REASON" says.
'use strict';
const { WebSocketServer } = require('ws');

const server = new WebSocketServer({
    host: '127.0.0.1',
    port: Number(process.argv[2]),
    handleProtocols: protocols => (protocols.has('evenkeel.test') ? 'evenkeel.test' : false),
});
server.on('connection', (socket, request) => {
    socket.on('message', (message, binary) => {
        const text = binary ? '' : message.toString();
        if (text.startsWith('close:')) {
            const [, code, reason] = text.split(':');
            socket.close(Number(code), reason);
        } else if (text === 'url') {
            socket.send(request.url);
        } else if (text === 'terminate') {
            socket.terminate();
        } else {
            socket.send(message, { binary });
        }
    });
    socket.on('ping', payload => process.stdout.write(`ping ${payload}\n`));
    socket.on('close', (code, reason) => process.stdout.write(`closed ${code} ${reason}\n`));
    socket.on('error', error => process.stdout.write(`error ${error.message}\n`));
    if (request.url.startsWith('/greeting')) {
        // Data right behind the 101, in the same segment.
        socket.send('greeting');
    }
});
