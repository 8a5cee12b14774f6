/* Bytes and descriptors over the channel. */
#include "proxy/control/upgrade_wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control_room {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int) * UPGRADE_FDS)];
};

bool upgrade_send(int channel, enum upgrade_message message, const int *fds, size_t fd_count)
{
    char byte = (char)message;
    struct iovec piece = {&byte, 1};
    union control_room space;
    struct msghdr header = {.msg_iov = &piece, .msg_iovlen = 1};
    memset(&space, 0, sizeof space);
    if (fd_count > 0) {
        header.msg_control = space.bytes;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *rights = &space.header;
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(rights), fds, sizeof(int) * fd_count);
    }
    ssize_t sent;
    do {
        sent = sendmsg(channel, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    return sent == 1;
}

static size_t take_fds(struct msghdr *header, int fds[UPGRADE_FDS])
{
    size_t count = 0;
    for (struct cmsghdr *rights = CMSG_FIRSTHDR(header); rights != NULL;
         rights = CMSG_NXTHDR(header, rights)) {
        if (rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS) {
            count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(fds, CMSG_DATA(rights), count * sizeof(int));
        }
    }
    return count;
}

enum upgrade_receipt upgrade_receive(int channel, int wait_ms, enum upgrade_message *ret_message,
                                     int ret_fds[UPGRADE_FDS], size_t *ret_fd_count)
{
    struct pollfd waiting = {.fd = channel, .events = POLLIN};
    if (poll(&waiting, 1, wait_ms) == 0) {
        return UPGRADE_NOTHING_YET;
    }
    char byte = 0;
    struct iovec piece = {&byte, 1};
    union control_room space;
    struct msghdr header = {.msg_iov = &piece,
                            .msg_iovlen = 1,
                            .msg_control = space.bytes,
                            .msg_controllen = sizeof space.bytes};
    ssize_t received = recvmsg(channel, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) {
        return UPGRADE_NOTHING_YET;
    }
    if (received != 1) {
        return UPGRADE_GONE;
    }
    *ret_message = (enum upgrade_message)byte;
    *ret_fd_count = take_fds(&header, ret_fds);
    return UPGRADE_RECEIVED;
}
