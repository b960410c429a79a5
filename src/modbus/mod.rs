//! Links to meters (serial, TCP, RTU over TCP) and a client that gives one verified answer a request, or an error.
